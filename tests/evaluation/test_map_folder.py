import numpy as np
import pytest

from geoad.evaluation import MapFolder, write_map
from geoad.sample import AnomalyMap
from tests.evaluation.toys import ToyDataset


def write(folder, *names):
    for i, name in enumerate(names):
        write_map(folder / f"{name}.tiff", AnomalyMap(np.full((2, 3), i)))


def test_maps_come_in_the_order_of_the_samples(tmp_path):
    dataset = ToyDataset()
    names = [entry.name for entry in dataset.entries]
    write(tmp_path / "bagel", *reversed(names))
    maps = MapFolder(tmp_path, dataset, category="bagel")
    assert [m.max() for m in maps] == [2, 1, 0]
    assert len(maps) == 3 and maps[-1].max() == 0 and [m.max() for m in maps[1:]] == [1, 0]
    assert [m.max() for m in maps] == [2, 1, 0], "a second reading starts anew"


def test_other_formats_pictures_and_names_with_dots(tmp_path):
    dataset = ToyDataset(("good", "bump"))
    dataset.entries[1] = dataset.entries[1]._replace(name="test/bump/frame_1.25")
    write(tmp_path, "test/good/000")
    np.save(tmp_path / "test" / "good" / "000.x", np.ones((2, 3)))
    (tmp_path / "test" / "good" / "000.x.npy").rename(tmp_path / "keep.npy")
    (tmp_path / "test" / "bump").mkdir()
    (tmp_path / "keep.npy").rename(tmp_path / "test" / "bump" / "frame_1.25.npy")
    (tmp_path / "test" / "good" / "000.png").write_bytes(b"")
    (tmp_path / "test" / "good" / ".hidden.tiff").write_bytes(b"")
    assert [path.suffix for path in MapFolder(tmp_path, dataset).paths] == [".tiff", ".npy"]


def test_every_fault_is_listed_at_once(tmp_path):
    write(tmp_path, "test/good/000", "test/bump/007", "test/other/001")
    np.save(tmp_path / "test" / "good" / "000.npy", np.ones((2, 3)))
    with pytest.raises(ValueError) as caught:
        MapFolder(tmp_path, ToyDataset())
    message = str(caught.value)
    assert "2 maps missing (test/bump/001, test/bump/002)" in message
    assert "2 maps of no sample (test/bump/007, test/other/001)" in message
    assert "1 map stored twice (test/good/000)" in message
    assert "\n" not in message


def test_long_lists_are_cut(tmp_path):
    (tmp_path / "test").mkdir()
    with pytest.raises(ValueError, match=r"30 maps missing \(.*test/good/009 and 20 more\)"):
        MapFolder(tmp_path, ToyDataset(("good",) * 30))


def test_missing_folders_and_empty_datasets(tmp_path):
    with pytest.raises(ValueError, match=r"rope: no such folder: maps lie in MAPS/<category>/test/<kind>/<stem>\.tiff"):
        MapFolder(tmp_path, ToyDataset(), category="rope")
    with pytest.raises(ValueError, match="the dataset is empty"):
        MapFolder(tmp_path, ToyDataset(()))
