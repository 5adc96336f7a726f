"""torch's default dtype, which is one for all threads."""

from __future__ import annotations

import torch

from geoad.nn.default_dtype import float32_by_default


def test_it_comes_back_when_the_last_of_two_threads_is_done() -> None:
    one, two = float32_by_default(), float32_by_default()
    torch.set_default_dtype(torch.float64)
    try:
        one.__enter__()
        two.__enter__()
        one.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float32  # the second is still at it
        two.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
