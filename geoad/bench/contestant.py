"""Who takes part in a comparison of a kernel, and what that kernel is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from geoad.bench.timing import Call

ANY = 1 << 62


class Verdict(NamedTuple):
    """`equal`: the answer is the promised one; `recall`: the share of the right answer in it; `error`: the largest.

    >>> Verdict(equal=True).recall
    1.0
    """

    equal: bool
    recall: float = 1.0
    error: float | None = None
    note: str = ""


class Contestant(NamedTuple):
    """One way to compute a kernel.

    `start(problem, device)` brings the input into the contestant's own form and returns what is timed; `read` turns
    its output into what the kernel's judge reads, off the clock. `limits` is the largest n by kind of device; where a
    kind is missing it cannot run; `most_k` the largest k. `bits`: promises the reference's bits. `own`: geoad's, whose
    fault is a failure.

    >>> Contestant("numpy", lambda problem, device: lambda: problem).limits
    {'cpu': 4611686018427387904}
    """

    name: str
    start: Callable[[Any, str], Call]
    limits: Mapping[str, int] = {"cpu": ANY}
    most_k: int = ANY
    own: bool = False
    bits: bool = False
    needs: str | None = None
    read: Callable[[Any], Any] = lambda output: output


class Kernel(NamedTuple):
    """What `geoad bench NAME` measures.

    `problem(case, n, k)` makes the input and the right answer; its attribute `about` holds the row's n, k and the like.
    `judge(problem, output, bits)` compares. `k` is the default of --k.

    >>> from geoad.bench.knn import KERNEL
    >>> KERNEL.name, KERNEL.k
    ('knn', 32)
    """

    name: str
    cases: tuple[str, ...]
    sizes: tuple[int, ...]
    k: int | None
    problem: Callable[[str, int, int], Any]
    judge: Callable[[Any, Any, bool], Verdict]
    contestants: Callable[[], Sequence[Contestant]]


def own_backends(
    op: str,
    start: Callable[[Any, str, str | None], Call],
    *,
    bits: bool = True,
    peers: Collection[str] = (),
    loose: Collection[str] = (),
    quadratic: bool = False,
    most_k: Mapping[str, int] | None = None,
) -> list[Contestant]:
    """Return a contestant for each backend of `geoad.ops.OP`; `start(problem, device, backend)` begins one.

    Backends named like one of `peers` are that peer's code within ours: "geoad-" comes before the name. `bits` are
    promised by all but the `loose` ones. `quadratic`: "torch" is brute force, for small clouds only. `most_k` is the
    largest k of those backends that have one.

    >>> names = [contestant.name for contestant in own_backends("knn", lambda *_: list, peers=["scipy"])]
    >>> "numba" in names, "geoad-scipy" in names, "scipy" in names
    (True, True, False)
    """
    found = []
    for backend in getattr(import_module(f"geoad.ops.{op}"), "BACKENDS", ()) or (None,):
        name = f"geoad-{backend}" if backend in peers else backend or "numba"

        def begin(problem: Any, device: str, backend: str | None = backend) -> Call:
            return start(problem, device, backend)

        limits, most = _limits(backend, quadratic), (most_k or {}).get(backend or "", ANY)
        found.append(Contestant(name, begin, limits, most, own=True, bits=bits and backend not in loose))
    return found


def choice(backend: str | None) -> dict[str, Any]:
    """Return the keyword that chooses a backend, none for an op that has but one.

    >>> choice("cuda"), choice(None)
    ({'backend': 'cuda'}, {})
    """
    return {} if backend is None else {"backend": backend}


def _limits(backend: str | None, quadratic: bool) -> dict[str, int]:
    """Where a backend of ours runs."""
    brute = {"cpu": 16_384, "cuda": 262_144} if quadratic else {"cpu": ANY, "cuda": ANY}
    return {"cuda": {"cuda": ANY}, "torch": brute}.get(backend or "", {"cpu": ANY})
