"""Files as they come: real masks, real scans, and a tree in MVTec 3D-AD's layout through its loader."""

import numpy as np
import pytest
from PIL import Image

from geoad.data import open_dataset, read_scan, write_scan
from geoad.evaluation import draw_picture, evaluate_maps, export_maps, format_table, mean_rows
from geoad.metrics import label_regions, rank_pixels
from geoad.sample import AnomalyMap, Sample
from tests.evaluation.toys import Height, ToyDataset


@pytest.mark.data
def test_real_class_coded_masks_have_95_regions_either_way(shared_data):
    paths = sorted((shared_data / "mvtec3d_tire_rgb_gt").rglob("gt/*.png"))
    masks = [np.asarray(Image.open(path)) for path in paths if "good" not in path.parts]
    assert len(masks) == 87 and max(mask.max() for mask in masks) == 255 and {m.shape for m in masks} == {(800, 600)}
    for connectivity in (4, 8):
        assert sum(label_regions(mask > 0, connectivity)[1] for mask in masks) == 95
    few = masks[:6]
    assert rank_pixels([m.astype(np.float32) for m in few], few).au_pro([0.3]) == {0.3: 1.0}


@pytest.mark.data
def test_real_scans_can_be_drawn(shared_data):
    for path in sorted((shared_data / "organized_scans" / "xyz").glob("*.tiff")):
        rgb = path.parent.parent / "rgb" / f"{path.stem}.png"
        xyz = read_scan(path, rgb=rgb)
        picture = draw_picture(Sample(xyz=xyz, name=path.stem), AnomalyMap(np.nan_to_num(xyz.xyz[..., 2])))
        assert picture.size == (4 * 640 + 5 * 8, 552)


def test_a_tree_of_two_categories_from_scans_to_means(tmp_path):
    rows = []
    for category, seed in (("bagel", 1), ("rope", 2)):
        for sample in ToyDataset(("good", "good", "bump", "bump"), seed=seed):
            _, kind, stem = sample.name.split("/")
            write_scan(tmp_path / "data" / category / "test" / kind, stem, sample.xyz, sample.rgb, sample.mask)
        dataset = open_dataset("mvtec3d", tmp_path / "data", category=category, split="test")
        export_maps(Height(), dataset, tmp_path / "maps", category=category, pictures=category == "bagel")
        rows += evaluate_maps(tmp_path / "maps", dataset, category=category, method="height")
    means = mean_rows(rows)
    values = {row["metric"]: row["value"] for row in means}
    for metric in ("au_pro", "pixel_auroc", "image_auroc", "image_ap"):
        assert values[metric] == pytest.approx(1, abs=0.01)
    assert not [row for row in means if row["metric"].startswith("kind_")]
    assert {row["dataset"] for row in means} == {"mvtec3d"} and means[0]["images"] == 8 and means[0]["regions"] == 4
    assert [line.split()[:3] for line in format_table([*rows, *means]).splitlines()[1:]] == [
        ["height", "mvtec3d", category] for category in ("bagel", "rope", "mean")
    ]
    assert (tmp_path / "maps" / "bagel" / "test" / "bump" / "002.png").is_file()
