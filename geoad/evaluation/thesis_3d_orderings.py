"""What chapter 9 of Bergmann's thesis finds about its methods, pair by pair, held against measured rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from statistics import fmean
from typing import NamedTuple

from geoad.evaluation.published import MEAN, published_mean, published_values
from geoad.evaluation.rows import Rows
from geoad.evaluation.thesis_3d import METHODS, Method

Values = dict[tuple[str, int], float]
"""AU-PRO@0.3 by category and seed."""
PAIRS = (
    ("voxel-fanogan", "voxel-vm"),
    ("voxel-vm", "voxel-ae"),
    ("voxel-fanogan", "depth-fanogan"),
    ("voxel-ae", "depth-ae"),
    ("voxel-vm", "depth-vm"),
)
"""Of each pair the thesis has the first above the second, in the mean over MVTec 3D-AD without colours."""
LIMIT = 0.3


class Ordering(NamedTuple):
    """The means of a pair over categories and seeds, and where the first is above: in `categories`, in `seeds`.

    Each of these is (how many, of how many). `thesis` are its two means, with the same source and over the same
    categories; over its ten if it has not all of them.

    >>> each = Ordering(("Voxel VM", "Voxel AE"), "3D", (0.6, 0.2), (1, 1), (3, 3), (0.492, 0.348))
    >>> each.means[0] > each.means[1]
    True
    """

    names: tuple[str, str]
    source: str
    means: tuple[float, float]
    categories: tuple[int, int]
    seeds: tuple[int, int]
    thesis: tuple[float, float]


def orderings(rows: Rows) -> Iterator[Ordering]:
    """Yield what the rows say of each pair, with and without colours, where both are among them.

    A method that is not trained is the same under every seed. Only seeds that both have count, and of the categories
    those that both have under all of these.

    >>> row = {"metric": "au_pro", "limit": 0.3, "category": "foam"}
    >>> rows = [{**row, "key": "voxel-vm", "seed": 0, "value": 0.6}]
    >>> rows += [{**row, "key": "voxel-ae", "seed": seed, "value": value} for seed, value in enumerate((0.2, 0.7))]
    >>> (found,) = orderings(rows)
    >>> found.names, found.categories, found.seeds
    (('Voxel VM', 'Voxel AE'), (1, 1), (1, 2))
    """
    for colour, (first, second) in product(("", "-rgb"), PAIRS):
        a, b = (_values(rows, key + colour) for key in (first, second))
        seeds = sorted({seed for _, seed in (*a, *b)})
        a, b = (
            _spread(values, seeds) if not METHODS[key].trained else values for values, key in ((a, first), (b, second))
        )
        seeds = [seed for seed in seeds if all(seed in {each for _, each in values} for values in (a, b))]
        shared = [c for c in dict.fromkeys(c for c, _ in a) if all((c, seed) in a and (c, seed) in b for seed in seeds)]
        if seeds and shared:
            yield _ordering(METHODS[first + colour], METHODS[second + colour], a, b, shared, seeds)


def _ordering(
    one: Method, other: Method, a: Values, b: Values, categories: Sequence[str], seeds: Sequence[int]
) -> Ordering:
    def mean(values: Values, some: Sequence[str], runs: Sequence[int]) -> float:
        return fmean(values[place] for place in product(some, runs))

    def above(some: Sequence[str], runs: Sequence[int]) -> bool:
        return mean(a, some, runs) > mean(b, some, runs)

    return Ordering(
        (one.name, other.name),
        other.source,
        (mean(a, categories, seeds), mean(b, categories, seeds)),
        (sum(above([category], seeds) for category in categories), len(categories)),
        (sum(above(categories, [seed]) for seed in seeds), len(seeds)),
        (_thesis(one, categories), _thesis(other, categories)),
    )


def _values(rows: Rows, key: str) -> Values:
    mine = [row for row in rows if (row["key"], row["metric"], row["limit"]) == (key, "au_pro", LIMIT)]
    return {(row["category"], row["seed"]): row["value"] for row in mine if row["value"] is not None}


def _spread(values: Values, seeds: Sequence[int]) -> Values:
    """Return what is known under one seed under all."""
    return {(category, seed): value for (category, _), value in values.items() for seed in seeds}


def _thesis(method: Method, categories: Sequence[str]) -> float:
    values = published_values(method.name, method.source, "au_pro", LIMIT)
    same = published_mean(values, categories)
    return values[MEAN] if same is None else same
