"""Prepared samples as the batches that a step sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Any

import torch

from geoad.training.cache import Cache
from geoad.training.ranks import ALONE, Ranks
from geoad.training.seed import seed_of
from geoad.training.stage import Batch, Descend

Refine = Callable[[Batch], Batch]


class Batches:
    """Batches of `train` and `validation` on the device, with their positions under the key "sample".

    `collate` joins prepared items, `move` takes a batch to the device, `seed` decides the order of every epoch,
    `ranks` which samples of a batch are this process's. What a stage's `refine` makes of an item is kept in memory.

    >>> items = [{"x": torch.tensor(value)} for value in (1.0, 2.0, 3.0)]
    >>> batches = Batches(items, items[:1], collate=stack, move=lambda batch: batch, seed=0)
    >>> epoch = Descend("any", [], epochs=1, batch_size=2)
    >>> sorted(torch.cat([batches.shuffled(epoch, 0, step)[0]["x"] for step in range(2)]).tolist())
    [1.0, 2.0, 3.0]
    >>> batches.visited(2)["x"], [(number, batch["sample"]) for number, batch in batches.held_out(2)]
    (tensor([3.]), [(0, tensor([-1]))])
    """

    def __init__(
        self,
        train: Sequence[Batch] | Cache,
        validation: Sequence[Batch] | Cache | None,
        *,
        collate: Callable[[list[Batch]], Batch],
        move: Callable[[Batch], Batch],
        seed: int,
        ranks: Ranks = ALONE,
    ) -> None:
        self._train, self._validation = train, validation
        self._collate, self._move, self._seed, self._ranks = collate, move, seed, ranks
        self._epoch: tuple[int, int] | None = None
        self._refined: dict[tuple[Refine, int], Batch] = {}

    @property
    def held_out_samples(self) -> int:
        """The number of validation samples."""
        return 0 if self._validation is None else len(self._validation)

    def name(self, batch: Batch) -> str:
        """Name the samples of a batch as a person counts files, from 0, and where they come from."""
        positions = batch["sample"].tolist()
        held = positions[0] < 0
        kind = f"{'validation ' if held else ''}sample{'s' if len(positions) > 1 else ''}"
        cache = self._validation if held else self._train
        return f"{kind} {', '.join(_name(cache, -1 - p if held else p) for p in positions)}"

    def visited(self, step: int, *, held_out: bool = False, refine: Refine | None = None) -> Batch:
        """Return one sample, in order: of the training samples, or of those held out for validation."""
        if held_out:
            return self._held([step], refine)
        return self._batch(self._train, [step], [step], refine)

    def shuffled(self, stage: Descend, index: int, step: int) -> tuple[Batch, float]:
        """Return this process's share of the batch of one step of stage number `index`, and the part that it is.

        The batch is a slice of its epoch's own permutation. A process without a share gets the batch's first sample,
        with the part 0: it does what the others do, and nothing comes of it.
        """
        epoch, place = divmod(step, stage.epoch_steps(len(self._train)))
        if self._epoch != (index, epoch):
            generator = torch.Generator().manual_seed(seed_of(self._seed, "epoch", index, epoch))
            self._order = torch.randperm(len(self._train), generator=generator).tolist()
            self._epoch = (index, epoch)
        chosen = self._order[place * stage.batch_size : (place + 1) * stage.batch_size]
        mine = chosen[self._ranks.rank :: self._ranks.size]
        shown = mine or chosen[:1]
        return self._batch(self._train, shown, shown, stage.refine), len(mine) / len(chosen)

    def held_out(self, size: int, refine: Refine | None = None) -> Iterator[tuple[int, Batch]]:
        """Yield the number of each validation batch that is this process's turn, and its samples, named -1, -2, …"""
        assert self._validation is not None
        samples = range(len(self._validation))
        for number in range(self._ranks.rank, ceil(len(samples) / size), self._ranks.size):
            yield number, self._held(list(samples[number * size : (number + 1) * size]), refine)

    def _held(self, chosen: list[int], refine: Refine | None) -> Batch:
        """Return the chosen validation samples as one batch."""
        assert self._validation is not None
        return self._batch(self._validation, chosen, [-1 - position for position in chosen], refine)

    def _batch(
        self, cache: Sequence[Batch] | Cache, chosen: list[int], names: list[int], refine: Refine | None
    ) -> Batch:
        """Return the chosen samples as one batch on the device."""
        items = [self._item(cache, *place, refine) for place in zip(chosen, names, strict=True)]
        batch = dict(self._collate(items))
        batch["sample"] = torch.tensor(names)
        return self._move(batch)

    def _item(self, cache: Sequence[Batch] | Cache, position: int, name: int, refine: Refine | None) -> Batch:
        """Return one sample as a stage sees it."""
        if refine is None:
            return cache[position]
        if (refine, name) not in self._refined:
            self._refined[refine, name] = refine(cache[position])
        return self._refined[refine, name]


def _name(cache: Any, position: int) -> str:
    place = cache.place(position)
    return f"{position} ({place})" if place else f"{position}"


def stack(items: list[Batch]) -> Batch:
    """Return the items stacked along a new first axis; raise ValueError that names a key whose shapes differ.

    >>> stack([{"x": torch.zeros(3)}, {"x": torch.ones(3)}])["x"].shape
    torch.Size([2, 3])
    """
    for name in items[0]:
        if len(shapes := {tuple(item[name].shape) for item in items}) > 1:
            raise ValueError(
                f"{name!r} must have one shape within a batch, got {sorted(shapes)}: use batch_size=1 or a collate"
            )
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}
