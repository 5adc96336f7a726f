"""Some of the images of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Chosen(Sequence[Any]):
    """Items by their numbers, each fetched when asked for.

    >>> list(Chosen(lambda i: i * i, [1, 3]))
    [1, 9]
    """

    def __init__(self, fetch: Callable[[int], Any], chosen: Sequence[int]) -> None:
        self.fetch, self.chosen = fetch, chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, i: Any) -> Any:
        return self.fetch(self.chosen[i])
