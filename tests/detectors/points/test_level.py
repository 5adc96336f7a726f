"""Levels: what good scans score, place by place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoad.detectors.points.feature_bank import FeatureBank
from geoad.detectors.points.level import AROUND, EVERY, FLOOR, OVERALL, Level


def settled(scans: int = 3, count: int = 800, terms: int = 2) -> tuple[Level, torch.Tensor, torch.Tensor]:
    """Return a level, and the places and terms that it has kept."""
    torch.manual_seed(0)
    level = Level()
    seen = [(torch.rand(count, 3), torch.rand(count, terms)) for _ in range(scans)]
    for points, scores in seen:
        level.see(points, scores)
    level.settle()
    return level, torch.cat([p[::EVERY] for p, _ in seen]), torch.cat([s[::EVERY] for _, s in seen])


def test_formula() -> None:
    level, places, scores = settled()
    points, terms = torch.rand(50, 3), torch.rand(50, 2)
    found = level.relative(points, terms)
    for point, term, value in zip(points, terms, found, strict=True):
        place = (places - point).square().sum(1).argmin()
        near = scores[(places - places[place]).square().sum(1).argsort()[:AROUND]]
        unit = near.std(0, correction=0) + FLOOR * scores.std(0, correction=0)
        expected = (term - near.mean(0)) / unit + OVERALL * term / scores.mean(0)
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)


def test_a_high_score_counts_less_where_good_scans_score_high(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoad.detectors.points.level.OVERALL", 0)
    points = torch.rand(4000, 3)
    level = Level()
    edge = (points[:, :1] > 0.5).float()
    level.see(points, 1 + 9 * edge + torch.rand(4000, 1))
    level.settle()
    table, border = level.relative(torch.tensor([[0.2, 0.5, 0.5], [0.8, 0.5, 0.5]]), torch.tensor([[9.0], [10.5]]))
    assert float(table) > 2 > 0.2 > abs(float(border))


def test_scores_that_never_vary_have_a_unit() -> None:
    level = Level()
    level.see(torch.rand(100, 3), torch.full((100, 1), 4.0))
    level.settle()
    assert level.relative(torch.rand(1, 3), torch.tensor([[4.004]])).item() == pytest.approx(1 + 0.2, abs=1e-2)


def test_a_term_that_is_always_zero_adds_nothing() -> None:
    level, errors = Level(), torch.rand(100, 1)
    points = torch.rand(100, 3)
    level.see(points, torch.cat([errors, torch.zeros(100, 1)], 1))
    level.settle()
    assert torch.equal(level.relative(points[:9], torch.zeros(9, 2))[:, 1], torch.zeros(9))


def test_scans_without_errors_are_no_level() -> None:
    level = Level()
    level.see(torch.rand(100, 3), torch.zeros(100, 1))
    with pytest.raises(ValueError, match="good scans have no errors to hold others against: normalise needs valid"):
        level.settle()


def test_scores_of_few_bits_are_kept_in_float32() -> None:
    level = Level()
    level.see(torch.rand(100, 3), torch.rand(100, 1).bfloat16())
    assert level.terms.dtype == torch.float32


def test_state_is_kept() -> None:
    level, *_ = settled()
    other = Level()
    for name, buffer in level.state_dict().items():
        setattr(other, name, buffer)
    points, terms = torch.rand(9, 3), torch.rand(9, 2)
    assert torch.equal(other.relative(points, terms), level.relative(points, terms))


@pytest.mark.parametrize("count", [1, 5, EVERY, AROUND * EVERY])
def test_few_points(count: int) -> None:
    level = Level()
    level.see(torch.rand(count, 3), torch.rand(count, 1))
    level.settle()
    assert level.relative(torch.rand(3, 3), torch.rand(3, 1)).shape == (3, 1)


def test_a_bank_has_levels_too() -> None:
    from geoad.checks import synthetic_scan

    scans = [synthetic_scan(seed) for seed in range(3)]
    bank = FeatureBank(**FeatureBank.tiny(), normalise=True).fit(scans[:2], validation=scans[2:])
    assert bank.level is not None and len(bank.level.places)
    assert bank.score(synthetic_scan(9, defect=True)).pixels.shape == (32, 40)


def test_a_scan_that_it_has_seen_is_held_against_the_others_alone() -> None:
    clouds = [(torch.rand(300, 3), torch.rand(300, 1)) for _ in range(3)]
    whole, others = Level(), Level()
    for i, (points, terms) in enumerate(clouds):
        whole.see(points, terms)
        if i != 1:
            others.see(points, terms)
    whole.settle(), others.settle()
    points, terms = clouds[1]
    assert torch.equal(whole.without(points).relative(points, terms), others.relative(points, terms))
    assert not torch.equal(whole.relative(points, terms), others.relative(points, terms))
    assert whole.without(points + 1) is whole
    alone = Level()
    alone.see(points, terms)
    alone.settle()
    assert alone.without(points) is alone


def test_validation_scans_score_like_new_ones() -> None:
    from geoad.checks import synthetic_scan

    scans = [synthetic_scan(seed) for seed in range(26)]
    bank = FeatureBank(**FeatureBank.tiny(), normalise=True).fit(scans[:4], validation=scans[4:10])
    seen, new = (np.mean([bank.score(scan).pixels.mean() for scan in some]) for some in (scans[4:10], scans[10:]))
    assert seen == pytest.approx(new, rel=0.1)


def test_how_the_terms_lie_in_memory_changes_no_bit() -> None:
    torch.manual_seed(0)
    points, terms, levels = torch.rand(900, 3), torch.rand(7, 900), []
    for given in (terms.T, terms.T.contiguous()):
        level = Level()
        level.see(points, given)
        level.settle()
        levels.append(level)
    assert levels[0].terms.stride() == levels[1].terms.stride()
    assert torch.equal(*(level.relative(points, terms.T) for level in levels))


def test_a_scan_that_it_has_seen_is_known_in_any_order() -> None:
    level, generator = Level(), torch.Generator().manual_seed(0)
    scans = [torch.rand(801, 3, generator=generator) for _ in range(3)]
    for number, points in enumerate(scans):
        level.see(points, torch.full((801, 1), 1.0 + number) + points[:, :1])
    level.settle()
    order = torch.randperm(801, generator=generator)
    rest = level.without(scans[1])
    assert len(rest.sizes) == 0 and len(rest.places) == 2 * 101
    assert torch.equal(level.without(scans[1][order]).mean, rest.mean)
    assert level.without(torch.rand(801, 3, generator=generator)) is level
    moved = scans[1].clone()
    moved[8] += 0.1  # one of those it keeps
    assert level.without(moved) is level
