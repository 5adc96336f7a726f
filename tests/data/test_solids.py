"""Procedural solids: closed, of unit size, moderate, and a function of their generator."""

from __future__ import annotations

import numpy as np
import pytest

from geoad.data.polygons import OUTLINES, thicken

pytest.importorskip("manifold3d")
pytest.importorskip("trimesh")
from geoad.data.bodies import BODIES
from geoad.data.solids import MAX_FACES, SOLIDS, Solids, make_solid


@pytest.mark.parametrize("kind", list(SOLIDS))
def test_solids_are_closed_and_fill_the_unit_cube(kind: str) -> None:
    for seed in range(6):
        solid = make_solid(np.random.default_rng(seed), kind)
        assert solid.is_watertight and solid.is_winding_consistent
        assert solid.volume > 0
        assert 4 <= len(solid.faces) <= MAX_FACES
        assert solid.extents.max() == pytest.approx(1, abs=1e-6)
        assert np.allclose(solid.bounds.sum(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize("name", list(BODIES))
def test_every_body_is_a_bounded_solid(name: str) -> None:
    for seed in range(8):
        body = BODIES[name](np.random.default_rng(seed))
        assert body.num_tri() >= 4
        assert body.volume() > 0
        assert np.isfinite(body.bounding_box()).all()


@pytest.mark.parametrize("name", list(OUTLINES))
def test_outlines_run_counter_clockwise_and_do_not_cross_themselves(name: str) -> None:
    shapely = pytest.importorskip("shapely", reason="the test checks outlines with shapely")
    for seed in range(12):
        ring = shapely.Polygon(OUTLINES[name](np.random.default_rng(seed)))
        assert ring.is_valid, shapely.is_valid_reason(ring)
        assert ring.exterior.is_ccw
        assert np.abs(ring.bounds).max() < 3


def test_thickened_line_has_the_area_of_its_length_and_width() -> None:
    angle = np.linspace(0, np.pi, 400)
    strip = thicken(np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.1)
    x, y = strip.T
    assert np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2 == pytest.approx(np.pi * 0.1, rel=1e-2)


@pytest.mark.parametrize("kind", [None, "drilled", "rough"])
def test_a_solid_follows_from_its_generator(kind: str | None) -> None:
    first, again, other = (make_solid(np.random.default_rng(seed), kind) for seed in (5, 5, 6))
    assert np.array_equal(first.vertices, again.vertices) and np.array_equal(first.faces, again.faces)
    assert first.vertices.shape != other.vertices.shape or not np.array_equal(first.vertices, other.vertices)


def test_the_source_draws_what_make_solid_makes() -> None:
    drawn, made = Solids().draw(np.random.default_rng(2)), make_solid(np.random.default_rng(2))
    assert np.array_equal(drawn.triangles, made.triangles)


def test_draws_of_one_generator_differ_and_reach_many_kinds_of_shape() -> None:
    rng = np.random.default_rng(0)
    solids = [make_solid(rng) for _ in range(30)]
    assert len({solid.triangles.tobytes() for solid in solids}) == 30
    assert sum(solid.euler_number != 2 for solid in solids) > 3  # holes, handles, several pieces
    assert min(solid.volume for solid in solids) < 0.05 < 0.2 < max(solid.volume for solid in solids)


def test_drilling_takes_away_and_studding_adds() -> None:
    less = more = 0
    for seed in range(6):
        part = SOLIDS["body"][0](np.random.default_rng(seed))
        less += SOLIDS["drilled"][0](np.random.default_rng(seed)).volume() < part.volume()
        more += SOLIDS["studded"][0](np.random.default_rng(seed)).volume() > part.volume()
    assert less == more == 6


def test_unknown_kind_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"unknown solid 'drilld'.*did you mean 'drilled'.*known: bent, body"):
        make_solid(np.random.default_rng(0), "drilld")
