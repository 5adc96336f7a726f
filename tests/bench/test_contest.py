"""Who is right, who is timed, who is named as absent, and what counts as a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from geoad import ops
from geoad.bench import contest, knn
from geoad.bench.contest import digest, hold
from geoad.bench.contestant import Contestant, own_backends
from geoad.bench.timing import Rounds

ONCE = Rounds(repeats=2, patience=5.0)


def contestant(change: Callable[[np.ndarray], None] = lambda index: None, **fields: Any) -> Contestant:
    """A contestant that takes the right answer and changes its index."""

    def start(problem: knn.Problem, device: str) -> Callable[[], Any]:
        index, sq_dist = ops.knn(problem.points, problem.about["k"])
        change(index)
        return lambda: (index, sq_dist)

    return Contestant(**{"name": "one", "start": start, "own": True, "bits": True, **fields})


def swap(index: np.ndarray) -> None:
    index[:, [1, 2]] = index[:, [2, 1]]


def lose(index: np.ndarray) -> None:
    index[::2, 1] = -1


def fail(problem: Any, device: str) -> Any:
    raise RuntimeError("out of\n luck")


def run(*contestants: Contestant, case: str = "cube", n: int = 200) -> contest.Outcome:
    return hold(knn.KERNEL, case, n, k=4, rounds=ONCE, contestants=contestants)


def test_a_right_backend_is_timed() -> None:
    outcome = run(contestant())
    [row] = outcome.rows
    assert row["equal_to_reference"] and row["recall"] == 1 and row["error"] == 0 and row["repeats"] == 2
    assert row["median_s"] >= row["min_s"] >= 0 and (row["n"], row["k"], row["case"]) == (200, 4, "cube")
    assert outcome.absent == outcome.wrong == []


def test_a_wrong_backend_of_ours_is_a_failure_and_not_timed() -> None:
    outcome = run(contestant(swap), contestant(name="other"))
    wrong, right = outcome.rows
    assert not wrong["equal_to_reference"] and wrong["median_s"] is None and wrong["repeats"] is None
    assert wrong["recall"] == 1  # the set is right, the order is not: bits were promised
    assert right["equal_to_reference"] and right["median_s"] is not None
    assert outcome.wrong == ["knn cube 200: one: 200 of 200 rows are not the reference's"]


def test_a_backend_that_differs_where_nobody_sampled_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "WHOLE", 0)
    monkeypatch.setattr(knn, "QUERIES", 20)
    outside = np.setdiff1d(np.arange(200), knn.some_rows(200))[0]

    def spoil(index: np.ndarray) -> None:
        index[outside, 3] = index[outside, 2]

    outcome = run(contestant(name="first"), contestant(spoil))
    assert [row["equal_to_reference"] for row in outcome.rows] == [True, False]
    assert outcome.wrong == ["knn cube 200: one: not the bits of first, off the sampled rows"]


def test_a_peer_may_order_ties_otherwise_and_is_timed_even_when_wrong() -> None:
    outcome = run(contestant(swap, own=False, bits=False), contestant(lose, name="two", own=False, bits=False))
    tied, wrong = outcome.rows
    assert tied["equal_to_reference"] and tied["recall"] == 1
    assert not wrong["equal_to_reference"] and wrong["recall"] == 0.875 and wrong["median_s"] is not None
    assert wrong["best_peer"] == "one" and tied["ratio_to_best_peer"] == 1
    assert outcome.wrong == []


def test_an_error_is_told_and_the_others_go_on() -> None:
    ours, peer = contestant(start=fail), contestant(start=fail, name="peer", own=False)
    outcome = run(ours, peer, contestant(name="right"))
    assert [row["backend"] for row in outcome.rows] == ["right"]
    assert {row["backend"]: row["reason"] for row in outcome.absent} == dict.fromkeys(
        ("one", "peer"), "raised RuntimeError: out of luck"
    )
    assert outcome.wrong == ["knn cube 200: one: raised RuntimeError: out of luck"]


def test_who_is_absent_is_named_with_the_reason() -> None:
    def lacks(problem: Any, device: str) -> Any:
        raise ImportError("the library was not built")

    outcome = run(
        contestant(name="peer", own=False, needs="no_such_module"),
        contestant(name="gpu", limits={"cuda": 1000}),
        contestant(name="small", limits={"cpu": 199}),
        contestant(name="unbuilt", start=lacks),
    )
    assert {row["backend"]: row["reason"] for row in outcome.absent} == {
        "peer": "not installed: no_such_module",
        "gpu": "does not run on cpu",
        "small": "only up to 199 here: it would take too long",
        "unbuilt": "raised ImportError: the library was not built",
    }
    assert outcome.rows == [] and outcome.wrong == []


def test_nobody_asked_for_means_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn.exact, "nearest", None)
    assert hold(knn.KERNEL, "cube", 100, rounds=ONCE, backends=[]).rows == []


def test_backends_are_those_of_the_op() -> None:
    def start(problem: Any, device: str, backend: str | None) -> Callable[[], Any]:
        return lambda: backend

    found = {one.name: one for one in own_backends("knn", start, peers=("scipy",), loose=("scipy",), quadratic=True)}
    assert set(found) == {name.replace("scipy", "geoad-scipy") for name in ops.knn.__globals__["BACKENDS"]}
    assert found["numba"].bits and not found["geoad-scipy"].bits
    assert found["geoad-scipy"].start(None, "cpu")() == "scipy"
    assert found["torch"].limits["cpu"] < 100_000 and "cpu" in found["numba"].limits
    [only] = own_backends("voxelize", start) if not hasattr(ops.voxelize, "BACKENDS") else [None]
    assert only is None or only.name == "numba"


def test_a_digest_knows_bits_shapes_and_types() -> None:
    a = np.arange(6)
    assert digest((a, a)) == digest((a.copy(), a))
    assert len({digest(x) for x in (a, a.reshape(2, 3), a.astype(np.int32), a[::-1], (a, a))}) == 5
    assert digest(np.float32(0.0)) != digest(np.float32(-0.0))


def test_a_backend_that_finds_fewer_neighbours_is_absent() -> None:
    few = contestant(name="few", most_k=2)
    outcome = hold(knn.KERNEL, "cube", 50, k=3, contestants=[few], rounds=ONCE)
    assert not outcome.rows and not outcome.wrong
    assert [(row["backend"], row["reason"]) for row in outcome.absent] == [("few", "finds at most 2 neighbours")]


def test_peers_that_know_no_missing_neighbour_are_asked_for_those_there_are() -> None:
    scipy = next(peer for peer in knn.PEERS if peer.name == "scipy")
    outcome = hold(knn.KERNEL, "cube", 20, k=32, contestants=[scipy], rounds=ONCE)
    assert [row["recall"] for row in outcome.rows] == [1]
