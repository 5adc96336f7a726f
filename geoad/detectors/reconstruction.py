"""What methods have in common that compare a sample with what a network makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from geoad.training.stage import Batch, Descend, Update


def descend(
    name: str,
    updates: Sequence[Update],
    *,
    epochs: int,
    steps: int | None,
    batch_size: int,
    refine: Callable[[Batch], Batch] | None = None,
) -> Descend:
    """Return a stage of `steps`, or if there are none given of `epochs`.

    >>> stages = [descend("gan", [], epochs=50, steps=steps, batch_size=2) for steps in (None, 9)]
    >>> [(stage.epochs, stage.steps) for stage in stages]
    [(50, None), (None, 9)]
    """
    limit = epochs if steps is None else None
    return Descend(name, updates, epochs=limit, steps=steps, batch_size=batch_size, refine=refine)
