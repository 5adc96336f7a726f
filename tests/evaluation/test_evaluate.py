from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from geoad.evaluation import Settings, evaluate_maps, export_maps, mean_rows, write_map
from geoad.evaluation.evaluate import DatasetMasks
from geoad.metrics import Threshold
from geoad.sample import AnomalyMap
from tests.evaluation.toys import Height, ToyDataset

CLASSIFICATION = ("auroc", "ap", "best_f1", "best_balanced_accuracy")


class Masks(ToyDataset):
    """Given masks; a kind for each."""

    def __init__(self, masks, kinds):
        super().__init__(kinds)
        self.masks = masks

    def mask(self, i):
        return self.masks[i]


def values(rows):
    return {(row["metric"], row["limit"]): row["value"] for row in rows if row["kind"] is None}


def test_hand_computed_values_of_foreign_maps(tmp_path):
    region = np.zeros((2, 10), bool)
    region[0] = True
    dataset = Masks([region, np.zeros((1, 4), bool)], ("bump", "good"))
    scores = np.array([[2] * 8 + [1] * 2, [2] * 2 + [1] * 4 + [0] * 4], np.float64)
    (tmp_path / "test" / "bump").mkdir(parents=True)
    np.save(tmp_path / "test" / "bump" / "000.npy", scores)
    write_map(tmp_path / "test" / "good" / "001.tiff", AnomalyMap(np.full((1, 4), 3.0)))
    rows = evaluate_maps(tmp_path, dataset, limits=(0.3, 1.0), method="by hand", seed=3)
    # Points (4/14, 0), (6/14, 0.8), (10/14, 1), (1, 1).
    third = (0.3 - 4 / 14) / (2 / 14) * 0.8
    expected = {
        ("au_pro", 0.3): (0.3 - 4 / 14) * third / 2 / 0.3,
        ("au_pro", 1.0): (2 * 0.4 + 4 * 0.9 + 4) / 14,
        ("au_iou", 0.3): (0.3 - 4 / 14) * third * 0.5 / 0.8 / 2 / 0.3,
        ("au_iou", 1.0): (2 * 0.25 + 4 * 0.5 + 4 * (0.5 + 10 / 24) / 2) / 14,
        ("pixel_auroc", None): (2 * 0.4 + 4 * 0.9 + 4) / 14,
        ("pixel_ap", None): 0.8 * 8 / 14 + 0.2 * 10 / 20,
        ("aupimo", None): 0.0,
        ("image_auroc", None): 0.0,
        ("image_ap", None): 0.5,
        ("image_best_f1", None): 2 / 3,
        ("image_best_balanced_accuracy", None): 0.5,
    }
    expected |= {("au_roc", limit): expected["au_pro", limit] for limit in (0.3, 1.0)}  # one region
    assert values(rows) == pytest.approx(expected, abs=1e-12)
    assert {(r["method"], r["seed"], r["dataset"], r["images"], r["regions"]) for r in rows} == {
        ("by hand", 3, "toy", 2, 1)
    }


def test_exported_maps_are_evaluated(tmp_path):
    dataset = ToyDataset(("good", "good", "bump", "bump"))
    export_maps(Height(), dataset, tmp_path, category="bagel", pictures=False)
    rows = evaluate_maps(tmp_path, dataset, category="bagel", limits=(0.05, 0.3))
    assert [(r["metric"], r["limit"], r["mode"], r["connectivity"]) for r in rows] == [
        ("au_pro", 0.05, "exact", 8),
        ("au_pro", 0.3, "exact", 8),
        *((name, limit, "exact", None) for name in ("au_roc", "au_iou") for limit in (0.05, 0.3)),
        *((f"pixel_{name}", None, "exact", None) for name in ("auroc", "ap")),
        ("aupimo", None, "exact", None),
        *((f"{of}_{name}", None, "exact", None) for of in ("image", "kind") for name in CLASSIFICATION),
    ]
    assert {row["kind"] for row in rows if row["metric"].startswith("kind")} == {"bump"}
    assert all(row["value"] > 0.99 for row in rows if row["metric"] not in ("au_iou", "pixel_ap"))
    assert {row["category"] for row in rows} == {"bagel"}
    other = evaluate_maps(tmp_path, dataset, category="bagel", mode="official", connectivity=4, limits=(0.3,))
    assert (other[0]["mode"], other[0]["connectivity"]) == ("official", 4)


def test_without_any_mask_images_are_still_compared(tmp_path):
    dataset = ToyDataset(marked=False)
    export_maps(Height(), dataset, tmp_path, pictures=False)
    with pytest.warns(RuntimeWarning, match="no defective pixel in any mask"):
        found = values(evaluate_maps(tmp_path, dataset))
    assert np.isnan(found["au_pro", 0.3]) and np.isnan(found["pixel_auroc", None])
    assert found["image_auroc", None] == found["image_ap", None] == 1


def test_bad_ground_truth_and_bad_maps_name_the_sample(tmp_path):
    dataset = ToyDataset()
    export_maps(Height(), dataset, tmp_path, pictures=False)
    masks = [dataset.mask(i) for i in range(3)]
    kinds = ("good", "bump", "bump")
    with pytest.raises(ValueError, match="test/bump/002: a defective sample without mask, while others have one"):
        evaluate_maps(tmp_path, Masks([masks[0], masks[1], None], kinds))
    with pytest.raises(ValueError, match=r"test/good/000: a good sample with \d+ marked pixels"):
        evaluate_maps(tmp_path, Masks([masks[1], masks[1], masks[2]], kinds))
    with pytest.raises(ValueError, match=r"mask test/bump/001 must have the size of its map, \(24, 32\), got \(3, 4\)"):
        evaluate_maps(tmp_path, Masks([masks[0], np.ones((3, 4), bool), masks[2]], kinds))
    with pytest.raises(ValueError, match="1 map missing"):
        evaluate_maps(tmp_path, ToyDataset((*kinds, "good")))
    (tmp_path / "test" / "bump" / "001.tiff").write_bytes(b"II*\0")
    with pytest.raises(ValueError, match=r"001\.tiff: not a readable map"):
        evaluate_maps(tmp_path, dataset)


def test_wrong_protocols_are_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match="limit must be a false positive rate"):
        evaluate_maps(tmp_path, ToyDataset(), limits=(30,))
    with pytest.raises(ValueError, match="unknown mode 'community'"):
        evaluate_maps(tmp_path, ToyDataset(), mode="community")


def test_means_are_unweighted_and_keep_protocols_apart():
    def row(category, limit, value, images, method="a"):
        return {
            "method": method, "category": category, "metric": "au_pro", "limit": limit,
            "images": images, "regions": 2, "value": value,
        }  # fmt: skip

    rows = [row("x", 0.3, 0.5, 10), row("y", 0.3, 1.0, 90), row("x", 0.05, 0.2, 10), row("y", 0.05, 0.4, 90)]
    means = mean_rows([*rows, row("x", 0.3, 0.1, 10, "b"), row("y", 0.3, 0.2, 90, "b")])
    assert [(m["method"], m["limit"], m["category"], m["images"], m["regions"]) for m in means] == [
        ("a", 0.3, "mean", 100, 4), ("a", 0.05, "mean", 100, 4), ("b", 0.3, "mean", 100, 4),
    ]  # fmt: skip
    assert [m["value"] for m in means] == pytest.approx([0.75, 0.3, 0.15])
    assert mean_rows(rows[:1]) == []
    assert np.isnan(mean_rows([row("x", 0.3, np.nan, 1), row("y", 0.3, 1.0, 1)])[0]["value"])


def test_a_defective_part_with_an_empty_mask_is_told_and_no_good_image(tmp_path):
    random = np.random.default_rng(0)
    masks = [np.zeros((24, 32), bool) for _ in range(6)]
    for mask in masks[3:]:
        mask[4:9, 5:12] = True
    kinds = ("good", "good", "good", "bump", "bump", "bump")
    for i, mask in enumerate(masks):
        path = tmp_path / f"{Masks(masks, kinds).entries[i].name}.tiff"
        write_map(path, AnomalyMap(random.random((24, 32)) + 2 * mask))
    whole = values(evaluate_maps(tmp_path, Masks(masks, kinds)))
    dataset = Masks([*masks[:3], masks[0], *masks[4:]], kinds)
    with pytest.warns(RuntimeWarning, match=r"^test/bump/003: defective, but no pixel of the mask is marked"):
        rows = evaluate_maps(tmp_path, dataset, resamples=50)
    assert whole["aupimo", None] == values(rows)["aupimo", None] == 1
    assert values(rows)["pixel_auroc", None] < 1 == values(rows)["image_auroc", None]
    assert {row["metric"]: row["low"] for row in rows if row.get("low") is not None}["aupimo"] == 1


def test_without_any_mask_parts_have_intervals_and_pixels_no_rates(tmp_path):
    dataset = ToyDataset(("good", "good", "bump", "bump"), marked=False)
    export_maps(Height(), dataset, tmp_path, pictures=False)
    with pytest.warns(RuntimeWarning, match="no defective pixel in any mask"):
        rows = evaluate_maps(tmp_path, dataset, resamples=20, threshold=Threshold("by hand", 0.005, 0.005))
    found = {row["metric"]: row for row in rows if row["kind"] is None}
    assert (found["image_auroc"]["low"], found["image_auroc"]["high"]) == (1, 1)
    assert found["image_tp"]["value"] == 2 and not {"pixel_fpr", "pixel_tpr", "pro"} & found.keys()


def test_a_mean_has_neither_interval_nor_threshold_of_a_category():
    own = {"low": 0.4, "high": 0.6, "resamples": 9, "threshold": 0.5}
    rows = [{"category": c, "metric": "au_pro", "value": 0.5, **own} for c in ("x", "y")]
    assert mean_rows(rows) == [{"category": "mean", "metric": "au_pro", "value": 0.5}]


def test_the_connectivity_is_that_of_thresholds_and_intervals_too(tmp_path):
    mask = np.zeros((4, 5), bool)
    mask[0, 0] = mask[1, 1] = mask[1, 2] = True  # one region of three, or two
    dataset = Masks([mask, np.zeros((4, 5), bool)], ("bump", "good"))
    scores = np.random.default_rng(0).random((4, 5)) / 2
    scores[0, 0] = 1
    for entry, pixels in zip(dataset.entries, (scores, scores[::-1] / 3), strict=True):
        write_map(tmp_path / f"{entry.name}.tiff", AnomalyMap(pixels))
    how = {"limits": (1.0,), "resamples": 9, "threshold": Threshold("by hand", 0.6, 0.6)}
    for connectivity, overlap in ((4, 1 / 2), (8, 1 / 3)):
        rows = evaluate_maps(tmp_path, dataset, connectivity=connectivity, **how)
        found = {row["metric"]: row for row in rows if row["kind"] is None}
        assert found["pro"]["value"] == pytest.approx(overlap)
        assert found["au_pro"]["low"] == pytest.approx(found["au_pro"]["value"]) == found["au_pro"]["high"]


def test_limits_are_read_once_and_used_often(tmp_path):
    dataset = ToyDataset(("good", "bump"))
    export_maps(Height(), dataset, tmp_path)
    expected = evaluate_maps(tmp_path, dataset, limits=[0.1, 0.3])
    assert evaluate_maps(tmp_path, dataset, limits=(limit for limit in (0.1, 0.3))) == expected
    assert Settings(limits=0.3) == Settings(limits=[0.3])


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"threshold": 0.5}, TypeError, r"threshold must be a Threshold, such as .*, got float"),
        ({"resamples": 100.0}, TypeError, "resamples must be a whole number, got 100.0"),
        ({"resamples": "100"}, TypeError, "resamples must be a whole number, got '100'"),
        ({"resamples": -1}, ValueError, "resamples must be 0 or more, got -1"),
        ({"jobs": 0}, ValueError, "jobs must be positive, got 0"),
        ({"jobs": 1.5}, TypeError, "jobs must be a whole number, got 1.5"),
        ({"connectivity": 6}, ValueError, "connectivity must be 4 or 8, got 6"),
        ({"resize": "no"}, TypeError, "resize must be True or False, got 'no'"),
    ],
)
def test_settings_are_checked_before_anything_is_read(wrong, error, told):
    with pytest.raises(error, match=told):
        Settings(**wrong)


def test_a_dataset_may_know_the_masks_of_defects_alone():
    entries = ToyDataset().entries[:2]
    dataset = SimpleNamespace(entries=entries, label=lambda i: 0, mask={}.get)
    assert list(islice(DatasetMasks(dataset), 9)) == [None, None]
