import numpy as np
import pytest
from PIL import Image

from geoad.evaluation import export_maps, read_map
from geoad.evaluation.part_scores import read_scores
from geoad.sample import AnomalyMap
from tests.evaluation.toys import Height, ToyDataset


def test_every_sample_gets_its_map_and_its_picture(tmp_path):
    dataset, seen = ToyDataset(), []
    done = export_maps(Height(), dataset, tmp_path, category="bagel", progress=seen.append)
    assert done == seen
    assert [d.name for d in done] == [entry.name for entry in dataset.entries]
    for sample, exported in zip(dataset, done, strict=True):
        assert exported.path == tmp_path / "bagel" / f"{sample.name}.tiff"
        expected = Height().score(sample)
        np.testing.assert_array_equal(read_map(exported.path), expected.pixels)
        assert exported.score == expected.score and exported.seconds >= 0
        with Image.open(exported.path.with_suffix(".png")) as picture:
            assert picture.mode == "RGB" and picture.size[0] > 4 * 256
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 2 * len(dataset) + 1
    assert read_scores(tmp_path / "bagel", [each.name for each in done]).tolist() == [each.score for each in done]


def test_pictures_share_one_scale(tmp_path):
    done = export_maps(Height(), ToyDataset(), tmp_path)
    bars = []
    for exported in done:
        with Image.open(exported.path.with_suffix(".png")) as picture:
            bars.append(np.asarray(picture)[-20:])
    np.testing.assert_array_equal(bars[0], bars[1])


def test_pictures_can_be_left_out(tmp_path):
    export_maps(Height(), ToyDataset(), tmp_path, pictures=False)
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".tiff", ".json"}


def test_maps_are_not_replaced_unasked(tmp_path):
    export_maps(Height(), ToyDataset(), tmp_path, pictures=False)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.tiff")}
    with pytest.raises(FileExistsError, match=r"test/bump/001\.tiff: the folder holds maps already: overwrite them"):
        export_maps(Height(), ToyDataset(("good",), seed=1), tmp_path)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*.tiff")}
    export_maps(Height(), ToyDataset(("good",), seed=1), tmp_path, overwrite=True, pictures=False)
    after = {p: p.read_bytes() for p in tmp_path.rglob("*.tiff")}
    assert [p.name for p in before if before[p] != after[p]] == ["000.tiff"]


def test_another_split_or_category_may_stand_beside(tmp_path):
    export_maps(Height(), ToyDataset(("good",)), tmp_path, category="bagel", pictures=False)
    export_maps(Height(), ToyDataset(("good",)), tmp_path, category="rope", pictures=False)
    assert len(list(tmp_path.rglob("*.tiff"))) == 2


def test_a_map_of_another_size_is_refused_and_not_written(tmp_path):
    class Small:
        def score(self, sample):
            return AnomalyMap(np.zeros((3, 4)))

    with pytest.raises(ValueError, match=r"map of test/good/000 must be \(24, 32\) .* got \(3, 4\) from Small"):
        export_maps(Small(), ToyDataset(), tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
