"""Every kernel of `geoad bench`: it runs, and its judge can tell right from wrong."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from geoad.bench import KERNELS, aggregate, backproject, fill, fps, knn, project, radius, voxelize
from geoad.bench.contest import hold
from geoad.bench.knn_peers import morton_codes
from geoad.bench.picture import draw
from geoad.bench.timing import Rounds


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_runs_and_ours_is_right(name: str) -> None:
    kernel = import_module(KERNELS[name]).KERNEL
    assert kernel.name == name and kernel.sizes and kernel.cases
    outcome = hold(kernel, kernel.cases[0], 700, k=4, rounds=Rounds(repeats=1, patience=1.0))
    assert outcome.wrong == []
    unavailable = ("raised ImportError", "raised ModuleNotFoundError")  # a library that is not built or not installed
    raised = [row for row in outcome.absent if row["reason"].startswith("raised")]
    assert not [row for row in raised if not row["reason"].startswith(unavailable)]
    assert not [row for row in outcome.rows if not row["equal_to_reference"] and row["backend"] != "torch-cdist"]


@pytest.mark.parametrize("case", knn.KERNEL.cases)
def test_knn_on_every_case(case: str) -> None:
    backends = ["numba", "torch", "pykdtree-morton", "scipy", "torch-broadcast"]
    outcome = hold(knn.KERNEL, case, 300, k=8, rounds=Rounds(1, 1.0), backends=backends)
    assert outcome.wrong == [] and len(outcome.rows) == len(backends)
    assert all(row["recall"] == 1 for row in outcome.rows)


def test_cancellation_is_seen() -> None:
    """‖a‖² + ‖b‖² − 2ab on a fine grid far from the origin loses neighbours."""
    outcome = hold(knn.KERNEL, "lattice", 2000, k=4, rounds=Rounds(1, 1.0), backends=["torch-cdist", "numba"])
    found = {row["backend"]: row for row in outcome.rows}
    assert found["torch-cdist"]["recall"] < 0.99 and not found["torch-cdist"]["equal_to_reference"]
    assert found["numba"]["best_peer"] is None and found["numba"]["ratio_to_best_peer"] is None


def spoiled(part: Any) -> Any:
    part = part.copy()
    part.reshape(-1)[len(part.reshape(-1)) // 2] += 1
    return part


def answers() -> list[Any]:
    """(judge, problem, right answer as a tuple or one array) of every kernel with exact answers."""
    near, around = knn.problem("cube", 60, 3), radius.problem("cube", 60, 3)
    picked, drawn = fps.problem("cube", 60, 0), project.problem("straight", 64, 0)
    filled, sorted_in = fill.problem("random", 64, 0), voxelize.problem("cube", 60, 0)
    fill_right = np.where(filled.known, filled.values, filled.truth).astype(np.float32)
    return [
        pytest.param(knn.judge, near, (near.index, near.sq_dist), id="knn"),
        pytest.param(radius.judge, around, (around.index, around.sq_dist, around.offsets), id="radius"),
        pytest.param(fps.judge, picked, (picked.picks,), id="fps"),
        pytest.param(project.judge, drawn, (np.nan_to_num(drawn.image, nan=-1),), id="project"),
        pytest.param(fill.judge, filled, (fill_right,), id="fill"),
        pytest.param(voxelize.judge, sorted_in, (sorted_in.index, sorted_in.count, sorted_in.means), id="voxelize"),
    ]


@pytest.mark.parametrize(("judge", "problem", "right"), answers())
def test_a_judge_knows_right_from_wrong_in_every_part(judge: Any, problem: Any, right: tuple[Any, ...]) -> None:
    def verdict(parts: list[Any], bits: bool = True) -> Any:
        return judge(problem, tuple(parts) if len(parts) > 1 else parts[0], bits)

    if judge is project.judge:
        problem = replace(problem, image=right[0])
    assert verdict([*right]).equal
    for place in range(len(right)):
        parts = [*right]
        parts[place] = spoiled(parts[place])
        assert not verdict(parts).equal, place
    assert not verdict([part[:-1] for part in right]).equal


def test_more_neighbours_than_points_are_nobodys_fault() -> None:
    with pytest.raises(ValueError, match="k must be less than n, got k = 8 and n = 3"):
        aggregate.problem("width 16", 3, 8)


def test_aggregate_is_judged_in_every_part() -> None:
    problem = aggregate.problem("width 16", 40, 3)
    assert aggregate.judge(problem, problem.truth, False).equal
    for place, name in enumerate(("result", "weight", "bias", "features")):
        parts = [part.clone() for part in problem.truth]
        parts[place].view(-1)[0] += 0.01 * parts[place].abs().max()
        verdict = aggregate.judge(problem, tuple(parts), False)
        assert not verdict.equal and name in verdict.note


def test_peers_of_voxelize_and_radius_are_not_let_off() -> None:
    grid = voxelize.problem("cube", 60, 0)
    assert voxelize.judge(grid, (None, grid.count, grid.means + np.float32(1e-6)), False).equal
    assert not voxelize.judge(grid, (None, grid.count, grid.means + np.float32(1e-3)), False).equal
    ball = radius.problem("cube", 60, 3)
    assert radius.judge(ball, (ball.index[::1], ball.offsets), False).equal
    assert not radius.judge(ball, (np.zeros_like(ball.index), ball.offsets), False).equal


def test_hulls_hold_what_they_hold() -> None:
    square = np.array([[-2, -2], [2, -2], [2, 2], [-2, 2], [0, 0], [1, 1], [1, 0], [0, 1]])
    flat = np.array([[-3, -3], [3, 3], [1, 1], [2, 2], [-1, -1], [-2, -2], [0, 0], [3, 3]])
    shifts = np.array([[0, 0], [2, 2], [3, 0], [2, 0], [0, -2]])
    assert backproject._holds(square - shifts[:, None]).tolist() == [True, True, False, True, True]
    assert backproject._holds(flat - np.array([[0, 0], [4, 4], [1, 0], [3, 3]])[:, None]).tolist() == [1, 0, 0, 1]


def test_morton_order_goes_octant_by_octant() -> None:
    points = np.random.default_rng(0).random((500, 3), dtype=np.float32)
    points = np.concatenate([points, np.array([[0, 0, 0], [1, 1, 1]], np.float32)])
    octants = ((points > 0.5) * (1, 2, 4)).sum(1)[np.argsort(morton_codes(points))]
    assert (np.diff(octants) >= 0).all() and len(np.unique(morton_codes(points))) == 502


def test_an_image_of_a_single_value_is_judged_by_that() -> None:
    image = fill.problem("random", 4, 0)
    first = np.arange(image.known.size).reshape(image.known.shape) == 0
    values = np.where(first, np.float32(3), image.values)
    one = replace(image, known=first, values=values, truth=np.full_like(image.truth, 3))
    assert fill.judge(one, one.truth.astype(np.float32), False).equal
    assert not fill.judge(one, one.truth.astype(np.float32) + 1, False).equal


def test_what_takes_no_tick_of_the_clock_is_not_drawn() -> None:
    row = {"kernel": "knn", "case": "cube", "n": 100, "backend": "numba", "own": True, "clock": "median_s"}
    row |= {"median_s": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw([row, {**row, "n": 200, "median_s": 0.1}], io.BytesIO())
