"""Windowed neighbours as a sort of shifted copies of the image, on any device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from geoad.ops import _arrays
from geoad.ops.knn_torch import NEVER, to_tensor

KEYS = 1 << 23  # keys a piece: 64 MiB


def search(xyz: Any, k: int, window: int, include_self: bool) -> tuple[Any, Any]:
    """Return index and sq_dist (H, W, k) of the same kind as `xyz`."""
    image = to_tensor("xyz", xyz, ("H", "W", 3))
    valid = image.isfinite().all(-1, keepdim=True) & (image != 0).any(-1, keepdim=True)
    half = min(window // 2, max(image.shape[:2]))
    padded = torch.nn.functional.pad(image.where(valid, torch.nan), (0, 0, half, half, half, half), value=torch.nan)
    height, width, _ = image.shape
    step = max(1, KEYS // max(1, width * (2 * half + 1) ** 2))
    index = torch.full((height, width, k), -1, dtype=torch.int64, device=image.device)
    sq_dist = torch.full((height, width, k), torch.inf, dtype=torch.float32, device=image.device)
    for start in range(0, height if width else 0, step):
        keys = _keys(padded[start : start + step + 2 * half], half, start * width)
        if not include_self:
            keys[..., keys.shape[-1] // 2] = NEVER
        best = keys.topk(min(k, keys.shape[-1]), dim=-1, largest=False).values
        place = slice(start, start + step), slice(None), slice(best.shape[-1])
        index[place] = torch.where(best == NEVER, -1, best & 0xFFFFFFFF)
        bits = (best >> 32).to(torch.int32).contiguous()
        sq_dist[place] = torch.where(best == NEVER, torch.inf, bits.view(torch.float32))
    return (index, sq_dist) if _arrays.is_tensor(xyz) else (index.numpy(), sq_dist.numpy())


def _keys(padded: Tensor, half: int, first: int) -> Tensor:
    """Return (h, W, window²) whole numbers in the order of (sq_dist, address); NEVER where a pixel is not valid."""
    side, height, width = 2 * half + 1, padded.shape[0] - 2 * half, padded.shape[1] - 2 * half
    here = padded[half : half + height, half : half + width]
    address = first + torch.arange(height * width, device=padded.device).view(height, width)
    keys = torch.empty((height, width, side * side), dtype=torch.int64, device=padded.device)
    for step in range(side * side):
        v, u = divmod(step, side)
        dx, dy, dz = (padded[v : v + height, u : u + width] - here).unbind(-1)
        sq_dist = ((dx * dx) + (dy * dy)) + (dz * dz)
        key = sq_dist.contiguous().view(torch.int32).long() << 32 | (address + ((v - half) * width + u - half))
        keys[..., step] = key.masked_fill(sq_dist.isnan(), NEVER)
    return keys
