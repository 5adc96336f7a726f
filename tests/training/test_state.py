"""States whose sizes the data decide: parameters as well as buffers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from geoad.nn.local_features import LocalFeatures
from geoad.training.state import copy_state, free_shapes, load_state, state_mismatch


def test_an_open_parameter_takes_the_size_of_the_state() -> None:
    module, grown = LocalFeatures(8, 1, outputs=0), LocalFeatures(8, 1, outputs=5)
    free = free_shapes(module)
    assert free == {"output.weight": (0, 8), "output.bias": (0,)}
    load_state(module, copy_state(grown), free)
    assert isinstance(module.output.weight, nn.Parameter) and module.outputs == 5
    points, index = torch.rand(4, 3), torch.tensor([[1], [2], [3], [0]])
    assert torch.equal(module(points, index), grown(points, index))
    load_state(module, copy_state(LocalFeatures(8, 1, outputs=0)), free)  # a second fit starts afresh
    assert module.outputs == 0 and module(points, index).shape == (4, 0)


def test_only_what_is_open_takes_another_size() -> None:
    module = LocalFeatures(8, 1, outputs=0)
    state = copy_state(LocalFeatures(12, 1, outputs=5))
    assert "must have shape" in str(state_mismatch(module, state, free_shapes(module)))
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_state(module, state, free_shapes(module))
    assert not free_shapes(LocalFeatures(8, 1))
