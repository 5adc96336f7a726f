import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from geoad.evaluation import evaluate_maps, export_maps, read_map
from geoad.evaluation.fit_threshold import fit_threshold
from geoad.evaluation.part_scores import read_scores, write_scores
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import AnomalyMap, Sample
from tests.evaluation.toys import Height, ToyDataset

trimesh = pytest.importorskip("trimesh")


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
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 2 * len(dataset) + 3  # scores.json and twice .lock
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
    assert {p.suffix or p.name for p in tmp_path.rglob("*") if p.is_file()} == {".tiff", ".json", ".lock"}


def test_maps_are_not_replaced_unasked(tmp_path):
    export_maps(Height(), ToyDataset(), tmp_path, pictures=False)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.tiff")}
    with pytest.raises(
        FileExistsError, match=r"test/bump/001\.tiff: the folder holds maps of another run or other scans"
    ):
        export_maps(Height(), ToyDataset(("good",), seed=1), tmp_path)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*.tiff")}
    export_maps(Height(), ToyDataset(("good",), seed=1), tmp_path, overwrite=True, pictures=False)
    after = {p: p.read_bytes() for p in tmp_path.rglob("*.tiff")}
    assert [p.name for p in before if before[p] != after[p]] == ["000.tiff"]


class Stops(Height):
    """Is interrupted at its second scan, and counts how many it has scored."""

    scored = 0

    def score(self, sample):
        self.scored += 1
        if self.scored == 2:
            raise KeyboardInterrupt
        return super().score(sample)


def test_an_interrupted_call_goes_on_and_another_maker_does_not(tmp_path):
    dataset = ToyDataset()
    with pytest.raises(KeyboardInterrupt):
        export_maps(Stops(), dataset, tmp_path / "cut", maker="run one")
    with pytest.raises(FileExistsError, match="maps of another run"):
        export_maps(Height(), dataset, tmp_path / "cut", maker="run two")
    with pytest.raises(FileExistsError, match="maps of another run"):
        export_maps(Height(), dataset, tmp_path / "cut")
    made = export_maps(Height(), dataset, tmp_path / "cut", maker="run one")
    whole = export_maps(Height(), dataset, tmp_path / "whole", maker="run one")
    assert [each.seconds is None for each in made] == [True] + [False] * (len(dataset) - 1)
    assert [(each.name, each.score) for each in made] == [(each.name, each.score) for each in whole]
    files = [
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        for name in ("cut", "whole")
    ]
    assert files[0] == files[1]
    again = export_maps(
        Height(), dataset, tmp_path / "cut", maker="run one", drawn=lambda _: pytest.fail("drawn again")
    )
    assert all(each.seconds is None for each in again)


def test_two_do_not_make_the_maps_of_a_split(tmp_path):
    def another(_):
        with pytest.raises(ValueError, match=r"test is in use by another process"):
            export_maps(Height(), ToyDataset(), tmp_path, overwrite=True, maker="run two")

    export_maps(Height(), ToyDataset(), tmp_path, maker="run one", progress=another)
    assert (tmp_path / "test" / "made_by.txt").read_text() == "run one\n"


def test_a_map_that_is_gone_is_made_again(tmp_path):
    first = export_maps(Height(), ToyDataset(), tmp_path, pictures=False, maker="run one")
    first[1].path.unlink()
    again = export_maps(Height(), ToyDataset(), tmp_path, pictures=False, maker="run one")
    assert [each.seconds is None for each in again] == [True, False, True] and first[1].path.exists()


def test_a_maker_may_name_what_is_no_utf_8(tmp_path):
    maker = os.fsdecode(b"M\xfcnchen")
    export_maps(Height(), ToyDataset(), tmp_path, pictures=False, maker=maker)
    again = export_maps(Height(), ToyDataset(), tmp_path, pictures=False, maker=maker)
    assert [each.seconds for each in again] == [None] * 3


def test_maps_of_an_unknown_maker_are_nobodys(tmp_path):
    dataset = ToyDataset()
    export_maps(Height(), dataset, tmp_path, pictures=False, maker="run one")
    export_maps(Height(), dataset, tmp_path, pictures=False, overwrite=True)
    with pytest.raises(FileExistsError, match="maps of another run"):
        export_maps(Height(), dataset, tmp_path, maker="run one")


def test_pictures_and_masks_of_replaced_maps_go_with_them(tmp_path):
    dataset = ToyDataset()
    (old, *_), masks = export_maps(Height(), dataset, tmp_path, maker="run one"), []
    old.beside(".mask.png").write_text("of run one")

    def stop(count):
        masks.append(count)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_maps(Height(), dataset, tmp_path, overwrite=True, maker="run two", drawn=stop)
    assert len(list(tmp_path.rglob("*.png"))) == 1 and masks == [1]
    export_maps(Height(), dataset, tmp_path, maker="run two")
    assert len(list(tmp_path.rglob("*.png"))) == len(dataset)


def test_several_processes_may_write_scores(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: write_scores(tmp_path, {f"test/good/{i:03}": float(i)}), range(40)))
    assert read_scores(tmp_path, [f"test/good/{i:03}" for i in range(40)]).tolist() == list(range(40))


def test_scores_of_maps_that_are_being_replaced_are_not_those_of_the_folder(tmp_path):
    dataset = ToyDataset()
    names = [entry.name for entry in dataset.entries]
    export_maps(Height(), dataset, tmp_path, pictures=False, maker="run one")
    with pytest.raises(KeyboardInterrupt):
        export_maps(Stops(), dataset, tmp_path, overwrite=True, maker="run two")
    with pytest.raises(ValueError, match="no score of"):
        read_scores(tmp_path, names)  # a mixture of two runs is not evaluated
    export_maps(Height(), dataset, tmp_path, pictures=False, maker="run two")
    assert len(read_scores(tmp_path, names)) == len(dataset)


@pytest.mark.parametrize("suffix", [".tiff", ".png", ".mask.png", ".scores.ply"])
def test_no_file_of_the_dataset_is_replaced(tmp_path, suffix):
    dataset = ToyDataset()
    name = dataset.entries[1].name
    source = tmp_path / f"{name}{suffix}"
    source.parent.mkdir(parents=True)
    source.write_text("mine")
    dataset.entries[1] = dataset.entries[1]._replace(**{"xyz" if suffix == ".tiff" else "rgb": source})
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="is a file of the dataset: choose another folder"):
            export_maps(Height(), dataset, tmp_path, overwrite=overwrite)
    assert source.read_text() == "mine"


def test_a_picture_of_somebody_else_is_not_replaced_unasked(tmp_path):
    dataset = ToyDataset()
    photo = tmp_path / f"{dataset.entries[0].name}.png"
    photo.parent.mkdir(parents=True)
    photo.write_text("mine")
    with pytest.raises(FileExistsError, match="is there already: choose another folder, or overwrite it"):
        export_maps(Height(), dataset, tmp_path)
    assert photo.read_text() == "mine"


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
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [".lock"]


@pytest.mark.parametrize("shape", [(1, 300), (300, 1)])
def test_a_cloud_is_written_with_its_scores(tmp_path, shape):
    xyz = np.random.default_rng(0).random((*shape, 3)) + 1
    xyz[xyz[..., 0] > 1.9] = np.nan
    sample = Sample(xyz=XYZImage(xyz), name="test/hole/000")

    class Clouds(list):
        entries = (SimpleNamespace(name=sample.name),)

    detector = SimpleNamespace(score=lambda sample: AnomalyMap(np.nan_to_num(sample.xyz.xyz[..., 2])))
    (done,) = export_maps(detector, Clouds([sample]), tmp_path)
    read = trimesh.load(done.beside(".scores.ply"))
    valid = sample.xyz.valid
    np.testing.assert_array_equal(np.asarray(read.vertices, np.float32), sample.xyz.xyz[valid])
    scores = read.metadata["_ply_raw"]["vertex"]["data"]["score"].ravel()
    np.testing.assert_array_equal(scores, read_map(done.path)[valid])
    brightness = np.asarray(read.colors)[:, :3].sum(1)
    assert brightness[scores.argmax()] > brightness[scores.argmin()]


def test_samples_alone_have_no_names(tmp_path):
    samples = list(ToyDataset())
    for use in (partial(export_maps, Height()), partial(fit_threshold, Height()), partial(evaluate_maps, tmp_path)):
        with pytest.raises(TypeError, match=r"dataset must have entries, as that of open_dataset.*, got list"):
            use(samples) if use.func is not export_maps else use(samples, tmp_path)
