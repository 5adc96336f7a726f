import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoad.data.loco_regions import LocoTest, Saturation, list_loco_categories, read_regions, read_saturations

CONFIG = [
    {"defect_name": "cut", "pixel_value": 250, "saturation_threshold": 1.0, "relative_saturation": True},
    {"defect_name": "missing pin", "pixel_value": 251, "saturation_threshold": 4, "relative_saturation": False},
    {"defect_name": "two cables", "pixel_value": 252, "saturation_threshold": 0.5, "relative_saturation": True},
]


def write_png(path, value, *boxes, shape=(10, 12)):
    pixels = np.zeros(shape, np.uint8)
    for row, column, height, width in boxes:
        pixels[row : row + height, column : column + width] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path):
    base = tmp_path / "loco" / "pushpins"
    for kind, stems in (("good", ("000", "001")), ("structural_anomalies", ("000",)), ("logical_anomalies", ("000",))):
        for stem in stems:
            write_png(base / "test" / kind / f"{stem}.png", 9, (0, 0, 1, 1))
    truth = base / "ground_truth"
    write_png(truth / "structural_anomalies/000/000.png", 250, (1, 1, 2, 2))
    write_png(truth / "logical_anomalies/000/000.png", 251, (0, 0, 3, 3))
    write_png(truth / "logical_anomalies/000/001.png", 252, (5, 0, 1, 5), (8, 0, 1, 5))
    (base / "defects_config.json").write_text(json.dumps(CONFIG))
    return tmp_path / "loco"


def test_regions_with_absolute_and_relative_thresholds(root):
    assert list_loco_categories(root) == ["pushpins"]
    test = LocoTest(root, "pushpins")
    assert [entry.kind for entry in test.entries] == ["good", "good", "structural_anomalies", "logical_anomalies"]
    assert test.entries[3].name == "test/logical_anomalies/000"
    assert test.regions(0) == []
    assert [(mask.sum(), area) for mask, area in test.regions(2)] == [(4, 4)]
    assert [(mask.sum(), area) for mask, area in test.regions(3)] == [(9, 4), (10, 5)]


@pytest.mark.parametrize(
    ("saturation", "annotated", "area"),
    [((4, False), 3, 3), ((4, False), 9, 4), ((0.5, True), 9, 4), ((1.0, True), 9, 9), ((0.01, True), 9, 1)],
)
def test_saturation_areas(saturation, annotated, area):
    assert Saturation("x", *saturation).area(annotated) == area


def test_damaged_ground_truth_is_named(root):
    base = root / "pushpins"
    masks, saturations = base / "ground_truth/logical_anomalies/000", read_saturations(base / "defects_config.json")
    write_png(masks / "002.png", 7, (0, 0, 1, 1))
    with pytest.raises(ValueError, match=r"002\.png: value 7 is no defect of defects_config\.json \(known: 250, 251"):
        read_regions(masks, saturations)
    write_png(masks / "002.png", 251)
    with pytest.raises(ValueError, match=r"002\.png: an annotation has one value beside 0, got \[\]"):
        read_regions(masks, saturations)
    (masks / "002.png").write_text("no png")
    with pytest.raises(ValueError, match=r"002\.png: not a readable mask"):
        read_regions(masks, saturations)
    for fault, reason in (
        ("{", "not a readable list of defects"),
        ('[{"pixel_value": 3}]', "not a readable list of defects"),
        (json.dumps([{**CONFIG[0], "saturation_threshold": 1.5}]), "must be above 0 and at most 1, got 1.5"),
        (json.dumps([{**CONFIG[1], "saturation_threshold": 0}]), "must be above 0, got 0"),
    ):
        (base / "defects_config.json").write_text(fault)
        with pytest.raises(ValueError, match=f"defects_config.json: .*{reason}"):
            LocoTest(root, "pushpins")


def test_the_card_adds_up():
    card = (Path(__file__).parents[2] / "datasets" / "mvtec_loco.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.count("|") == 9]
    table = {row[0]: [int(cell) for cell in row[1:7]] for row in rows if row[1].isdecimal()}
    total = table.pop("all")
    assert len(table) == 5 and [sum(column) for column in zip(*table.values(), strict=True)] == total
    assert f"{sum(total[:5]):,}".replace(",", " ") + " images" in card


def test_a_share_of_an_annotation_is_rounded_down():
    assert [Saturation("cut", 0.5, True).area(annotated) for annotated in (201, 203)] == [100, 101]
