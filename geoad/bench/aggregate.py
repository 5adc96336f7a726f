"""The local feature aggregation of 3D-ST, forward and backward, on the neighbours of an organised scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from geoad import ops
from geoad.bench.aggregate_forms import SLOPE, concatenate_then_mean, mean_then_concatenate
from geoad.bench.cases import cloud
from geoad.bench.contestant import ANY, Contestant, Kernel, Verdict, own_backends
from geoad.bench.timing import Call

ROUNDING = 1e-4  # of the largest value of a result: the weights' gradients are sums over n · k edges
CHUNK = 4096  # centres at a time, for the answer in double precision
WIDTHS = {"width 16": 16, "width 32": 32, "width 64": 64}


@dataclass(frozen=True)
class Problem:
    """What `ops.aggregate` takes, the gradient of its result, and (result, by weight, by bias, by features) in double.

    >>> [tuple(part.shape) for part in problem("width 16", 50, 4).truth]
    [(50, 32), (16, 4), (16,), (50, 16)]
    """

    about: dict[str, Any]
    inputs: tuple[Tensor, ...]
    gradient: Tensor
    truth: tuple[Tensor, ...]


def problem(case: str, n: int, k: int) -> Problem:
    """Return n points, their k neighbours, and features and weights as wide as the case says.

    >>> problem("width 32", 50, 4).about
    {'n': 50, 'k': 4, 'width': 32}
    """
    if not k < n:
        raise ValueError(f"k must be less than n, got k = {k} and n = {n}")
    width = WIDTHS[case]
    points = torch.from_numpy(cloud("scan", n))
    index, sq_dist = ops.knn(points, k, include_self=False)
    points = points / sq_dist.sqrt().mean()
    random = torch.Generator().manual_seed(0)
    shapes = ((width, 4), (width,), (n, width), (n, 2 * width))
    weight, bias, features, gradient = (torch.randn(shape, generator=random) for shape in shapes)
    inputs = (points, index, weight, bias, features)
    return Problem({"n": n, "k": k, "width": width}, inputs, gradient, _in_double(inputs, gradient))


def _in_double(inputs: tuple[Tensor, ...], gradient: Tensor) -> tuple[Tensor, ...]:
    """Return the result and the gradients, some centres at a time."""
    points, index, *learned = inputs
    leaves = [tensor.double().requires_grad_() for tensor in learned]
    results, totals = [], [torch.zeros_like(leaf) for leaf in leaves]
    for first in range(0, len(index), CHUNK):
        part = slice(first, first + CHUNK)
        result = concatenate_then_mean(points.double(), index[part], *leaves, first=first)
        results.append(result.detach())
        for total, more in zip(totals, torch.autograd.grad(result, leaves, gradient[part].double()), strict=True):
            total += more
    return torch.cat(results), *totals


def judge(problem: Problem, output: Any, _bits: bool) -> Verdict:
    """Compare the result and the three gradients with those in double precision.

    >>> scan = problem("width 16", 50, 4)
    >>> judge(scan, scan.truth, False).equal, judge(scan, tuple(2 * part for part in scan.truth), False).equal
    (True, False)
    """
    names = ("result", "weight", "bias", "features")
    errors = {}
    for name, found, truth in zip(names, output, problem.truth, strict=True):
        if found.shape != truth.shape:
            return Verdict(False, 0.0, None, f"{name} has shape {tuple(found.shape)}, not {tuple(truth.shape)}")
        errors[name] = float((found.cpu().double() - truth).abs().max() / truth.abs().max())
    wrong = [name for name, error in errors.items() if not error <= ROUNDING]
    worst = max(errors.values())
    return Verdict(
        not wrong, 1 - len(wrong) / len(names), worst, f"{', '.join(wrong)} off by {worst:.1e}" * bool(wrong)
    )


def _start(form: Callable[..., Tensor], problem: Problem, device: str) -> Call:
    points, index, *learned = (tensor.to(device) for tensor in problem.inputs)
    leaves = [tensor.requires_grad_() for tensor in (part.clone() for part in learned)]
    gradient = problem.gradient.to(device)

    def run() -> tuple[Tensor, ...]:
        result = form(points, index, *leaves)
        return result.detach(), *torch.autograd.grad(result, leaves, gradient)

    return run


def _start_own(problem: Problem, device: str, backend: str | None) -> Call:
    return _start(partial(ops.aggregate, slope=SLOPE, backend=backend), problem, device)


def contestants() -> list[Contestant]:
    """Return geoad's backends and the plain forms in torch.

    >>> [one.name for one in contestants()][-2:]
    ['eager-cat', 'eager-mean']
    """
    anywhere = {"cpu": ANY, "cuda": ANY}
    return [
        *own_backends("aggregate", _start_own, bits=False),
        Contestant("eager-cat", partial(_start, concatenate_then_mean), anywhere),
        Contestant("eager-mean", partial(_start, mean_then_concatenate), anywhere),
    ]


KERNEL = Kernel(
    name="aggregate",
    cases=tuple(WIDTHS),
    sizes=(4096, 65_536),
    k=32,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
