"""The memory bank of teacher features."""

from __future__ import annotations

import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.detectors.points.feature_bank import FeatureBank, nearest_sq_dist

SMALL = {"points": 300, "k": 8}


def test_a_point_of_the_bank_has_no_distance_to_it() -> None:
    scans = [synthetic_scan(seed) for seed in range(2)]
    detector = FeatureBank(**SMALL, bank=600).fit(scans)
    assert detector.bank.shape == (600, 64)
    assert detector.errors(detector.prepare(scans[1])).max() == 0


def test_every_scan_has_its_share() -> None:
    scans = [synthetic_scan(seed) for seed in range(3)]
    detector = FeatureBank(**SMALL, bank=30).fit(scans)
    near = [detector.errors(detector.prepare(scan)) < 1e-3 for scan in scans]
    assert detector.bank.shape == (30, 64) and all(int(hits.sum()) >= 10 for hits in near)


def test_defects_are_far_from_the_bank() -> None:
    detector = FeatureBank(**SMALL, bank=2000).fit([synthetic_scan(seed) for seed in range(6)])
    ratios = []
    for seed in range(90, 94):
        scan = synthetic_scan(seed, defect=True)
        pixels = detector.score(scan).pixels
        ratios.append(pixels[scan.mask].mean() / pixels[~scan.mask].mean())  # type: ignore[operator]
    assert sum(ratios) / len(ratios) > 1.5


def test_errors_are_squared_distances_to_the_nearest() -> None:
    detector = FeatureBank(**SMALL, bank=40).fit([synthetic_scan(0)])
    batch = detector.prepare(synthetic_scan(1))
    features = detector.moments.normalise(detector._features(batch))
    expected = (features[:, None] - detector.bank).square().sum(-1).amin(1)
    torch.testing.assert_close(detector.errors(batch), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sizes", [(1, 1), (700, 1300), (512, 1024)])
def test_nearest_sq_dist_over_several_blocks(sizes: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    features, bank = (torch.randn(size, 16, generator=generator) for size in sizes)
    expected = torch.cdist(features.double(), bank.double()).square().amin(1)
    torch.testing.assert_close(nearest_sq_dist(features, bank).double(), expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(nearest_sq_dist(features, bank).double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_scores_of_scans_that_the_bank_holds_are_no_level(count: int) -> None:
    scans = [synthetic_scan(seed) for seed in range(count)]
    with pytest.raises(ValueError, match="normalise needs validation scans"):
        FeatureBank(**SMALL, bank=300 * count, normalise=True).fit(scans)


def test_what_is_no_number_is_not_near() -> None:
    features = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    features[1] = torch.nan
    assert nearest_sq_dist(features, torch.randn(5, 8)).isnan().tolist() == [False, True, False, False]
    assert nearest_sq_dist(torch.tensor([[1e20]]), torch.tensor([[0.0]])).tolist() == [torch.inf]


def test_bad_keywords() -> None:
    with pytest.raises(ValueError, match="bank must be positive, got 0"):
        FeatureBank(bank=0)
