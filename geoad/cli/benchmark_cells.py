"""What `geoad benchmark` is to measure: the cells that were asked for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from functools import partial
from inspect import signature
from itertools import product
from typing import Any

from geoad.cli.arguments import UsageError, check_words
from geoad.data import list_categories, open_dataset
from geoad.detectors import detector_class
from geoad.evaluation.cell import Cell
from geoad.evaluation.thesis_3d import LATENTS, LIMITS, METHODS, keywords


def list_cells(arguments: Namespace) -> list[Cell]:
    """Return the cells that were asked for, each once: methods and latent dimensions, by categories by seeds."""
    name, root = arguments.data
    known = list_categories(name, root)
    if not known:
        open_dataset(name, root)  # one error for a folder without data, not one a cell
    check_words("method", arguments.methods, list(METHODS))
    check_words("category", arguments.categories, known)
    categories: Sequence[str | None] = arguments.categories or known or [None]
    return [
        Cell(
            key=place,
            method=METHODS[key].name,
            source=METHODS[key].source,
            detector=METHODS[key].detector,
            params=params,
            dataset=name,
            root=root,
            category=category,
            seed=seed,
            limits=LIMITS,
            facts={"size": arguments.size_preset},
            precision=arguments.precision,
        )
        for category, (place, key, params) in product(dict.fromkeys(categories), list(_variants(arguments)))
        for seed in (arguments.seeds if METHODS[key].trained else arguments.seeds[:1])
    ]


def _variants(arguments: Namespace) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (folder, row, keywords of the detector): the rows of table 9.3, then those that only 9.5 has."""
    asked = partial(keywords, size=arguments.size_preset, iterations=arguments.iterations)
    usual = {key: asked(key) for key in arguments.methods or METHODS}
    yield from ((key, key, params) for key, params in usual.items())
    sized = [key for key in usual if _has_latents(key)]
    if arguments.latents and not sized:
        raise UsageError(f"--latents is of {', '.join(filter(_has_latents, METHODS))}, and --methods has none of them")
    for key, latent in product(sized, dict.fromkeys(arguments.latents or ())):
        if latent != _latent(key, usual[key]):
            yield f"{key}-{latent}", key, asked(key, latent=latent)


def _has_latents(key: str) -> bool:
    """Return whether table 9.5 has a row's method by latent dimension."""
    return METHODS[key].source == "3D" and (METHODS[key].name, 128) in LATENTS


def _latent(key: str, params: dict[str, Any]) -> Any:
    """Return the latent dimension of a row's detector with these keywords."""
    return params.get("latent", signature(detector_class(METHODS[key].detector)).parameters["latent"].default)
