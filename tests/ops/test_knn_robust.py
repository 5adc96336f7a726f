"""Neighbour searches where processes and inputs are at their worst: threads, forks, many duplicates, large k."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from geoad.ops import _threads, knn, radius_search, reference, window_knn
from tests.ops.clouds import cloud, same

POINTS = cloud("uniform", 5000)
SEARCHES = {
    "knn": lambda points: knn(points, 9),
    "radius_search": lambda points: radius_search(points, 0.07),
    "radius_search-crowded": lambda points: radius_search(points, 0.2, max_neighbours=4),
    "window_knn": lambda points: window_knn(points.reshape(-1, 50, 3), 5, window=5),
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("inner", [1, 3])
def test_concurrent_calls_give_what_single_ones_do(search, inner, monkeypatch):
    parts = [POINTS[shift:][:4000] for shift in (0, 250, 500, 750)]
    expected = [SEARCHES[search](part) for part in parts]
    monkeypatch.setattr(_threads, "count", lambda: inner)
    with ThreadPoolExecutor(4) as pool:
        for found, right in zip(pool.map(SEARCHES[search], parts * 3), expected * 3, strict=True):
            same(found, right)


def answer(search, pipe):
    pipe.send([np.asarray(part) for part in SEARCHES[search](POINTS)])
    pipe.close()


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_searches_after_its_parent_did(search, threads, monkeypatch):
    monkeypatch.setattr(_threads, "count", lambda: threads)
    expected = SEARCHES[search](POINTS)
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(search, theirs))
    child.start()
    try:
        assert mine.poll(60), "the forked child does not answer"
        same(mine.recv(), expected)
        child.join(60)
        assert child.exitcode == 0
    finally:
        child.kill()


@pytest.mark.parametrize("k", [65, 200])
def test_more_neighbours_than_any_register_holds(k):
    points = cloud("lattice", 300)
    same(knn(points, k, include_self=False), reference.knn(points, k, include_self=False))


def test_a_million_duplicates():
    index, sq_dist = knn(np.ones((1_000_000, 3), np.float32), 2, include_self=False)
    np.testing.assert_array_equal(index[:3], [[1, 2], [0, 2], [0, 1]])
    assert (index[3:] == [0, 1]).all() and not sq_dist.any()


def test_duplicates_of_one_place_all_over_the_tree():
    points = cloud("uniform", 20_000)
    points[::2] = 0.5
    same(knn(points, 12, queries=points[:60]), reference.knn(points, 12, queries=points[:60]))
    index = knn(points, 12, include_self=False).index
    np.testing.assert_array_equal(
        index[:24:2], [[i for i in range(0, 26, 2) if i != row][:12] for row in range(0, 24, 2)]
    )
    assert (index[26::2] == np.arange(0, 24, 2)).all()


def test_far_coordinates_collapse_and_go_by_index():
    points = (1e6 + np.arange(900).reshape(-1, 3) * 1e-3).astype(np.float32)
    same(knn(points, 20), reference.knn(points, 20))


FAR = {  # scale, shift
    "along an axis": (1, (5, 0, 0)),
    "beyond a corner": (1, (9, 5, -7)),
    "where distances collapse": (1, (0, 1e5, 0)),
    "on one place": (0, (0.25, 40, 0.25)),
    "on a plane above": ((1, 1, 0), (0, 0, 2)),
    "all around": (20, (-10, -10, -10)),
}


@pytest.mark.parametrize("place", FAR)
@pytest.mark.parametrize("kind", ["uniform", "lattice", "duplicates", "clusters", "same", "line"])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_far_queries_agree_with_brute_force(place, kind, k):
    points = cloud(kind, 2500, 3)
    scale, shift = FAR[place]
    asking = (cloud("lattice" if kind == "lattice" else "uniform", 400) * scale + shift).astype(np.float32)
    for queries in (asking, asking[:1]):
        same(knn(points, k, queries=queries), knn(points, k, queries=queries, backend="torch"))


@pytest.mark.parametrize("queries", [cloud("uniform", 30) * 3 - 1, cloud("uniform", 3000) * 1e-3])
def test_queries_of_another_density_agree_with_brute_force(queries):
    points = cloud("uniform", 3000)
    same(knn(points, 7, queries=queries), knn(points, 7, queries=queries, backend="torch"))


def test_far_queries_of_many_duplicates_agree_with_brute_force():
    points = cloud("uniform", 5000)
    points[::2] = 0.5
    queries = cloud("uniform", 300) * np.float32(20) - np.float32(10)
    same(knn(points, 40, queries=queries), knn(points, 40, queries=queries, backend="torch"))
    same(knn(points, 40, queries=points[:1] + 9), knn(points, 40, queries=points[:1] + 9, backend="torch"))
    points[1::2] = queries[:1] - cloud("uniform", 2500) * np.float32(0.01)
    points[::2] = queries[1] + np.float32(9)
    same(knn(points, 40, queries=points[:2] + 1), knn(points, 40, queries=points[:2] + 1, backend="torch"))


def test_few_nearest_of_many_far_away():
    points, queries = cloud("lattice", 2500), cloud("lattice", 300) + np.float32(4)
    keywords = {"queries": queries, "max_neighbours": 6}
    same(radius_search(points, 7, **keywords), radius_search(points, 7, backend="torch", **keywords))
