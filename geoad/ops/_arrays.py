"""The border between what callers hold, numpy arrays or torch tensors, and the contiguous arrays that kernels take."""

from __future__ import annotations

import math
import sys
import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check


def is_tensor(array: Any) -> bool:
    """Tell a torch tensor without importing torch: who has not imported it cannot hold one."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def on_cpu(array: Any) -> bool:
    """Tell whether `array` is in main memory."""
    return not is_tensor(array) or array.device.type == "cpu"


def on_live_cuda(array: Any) -> bool:
    """Tell whether `array` is a CUDA tensor and the library of CUDA kernels runs here; say once why it does not."""
    if not is_tensor(array) or array.device.type != "cuda":
        return False
    if (why := _cuda_fault()) is not None:
        _tell_slower(why)
    return why is None


def _cuda_fault() -> str | None:
    """Return why no kernel of the CUDA library runs here, None if they do."""
    from geoad.ops import _cuda

    return _cuda.why_not()


@cache
def _tell_slower(why: str) -> None:
    """Warn, the first time, that something slower stands in for the CUDA kernels."""
    warnings.warn(f"slower backends stand in for the CUDA kernels: {why}", RuntimeWarning, stacklevel=4)


def to_cuda(name: str, array: Any, kinds: str = "fiu") -> Any:
    """Return a CUDA tensor, gradients cut; raise ValueError for what is elsewhere, TypeError for another dtype."""
    if not is_tensor(array) or array.device.type != "cuda":
        place = f"on {array.device}" if is_tensor(array) else f"as {type(array).__name__}"
        raise ValueError(f'backend "cuda" needs CUDA tensors, got {name} {place}')
    dtype = array.dtype
    kind = "f" if dtype.is_floating_point else "c" if dtype.is_complex else "b" if str(dtype) == "torch.bool" else "i"
    if kind not in kinds:
        raise TypeError(f"{name} must hold {_wanted(kinds)}, got {str(dtype).removeprefix('torch.')}")
    return array.detach()


def to_numpy(name: str, array: Any, kinds: str = "fiu") -> NDArray[Any]:
    """Return `array` as numpy, gradients cut; raise TypeError unless it is an array whose dtype is of `kinds`."""
    if is_tensor(array):
        if not on_cpu(array):
            told = f"{name} is on {array.device}, where this function has no backend"
            why = _cuda_fault() if array.device.type == "cuda" else None
            raise ValueError(f"{told}{f' ({why})' if why else ''}: pass {name}.cpu()")
        array = from_tensor(array)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a numpy array or a torch tensor, got {type(array).__name__}")
    if array.dtype.kind not in kinds:
        raise TypeError(f"{name} must hold {_wanted(kinds)}, got {array.dtype}")
    return without_mask(name, array)


def from_tensor(value: Any) -> Any:
    """Return a torch tensor of any device as numpy, gradients cut, halves widened, and anything else as it is.

    >>> from_tensor([0, 1])
    [0, 1]
    """
    if not is_tensor(value):
        return value
    value = value.detach().cpu().resolve_conj().resolve_neg()
    return (value.float() if value.is_floating_point() and value.element_size() < 4 else value).numpy()


def to_array(name: str, value: Any) -> NDArray[Any]:
    """Return a list, an array or a tensor of any device as numpy, gradients cut.

    Raises ValueError for a masked array: numpy would take what is masked for what is meant.

    >>> to_array("labels", [0, 1]).tolist()
    [0, 1]
    """
    value = from_tensor(value)
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must not be masked: fill in the numbers that are meant")
    return np.asarray(value)


def to_numbers(name: str, value: Any) -> NDArray[Any]:
    """Return real numbers as `to_array` does; raise TypeError for what are none.

    >>> to_numbers("scores", ["3", "2"])
    Traceback (most recent call last):
    TypeError: scores must be an array of numbers, got list of <U1
    """
    array = to_array(name, value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got {type(value).__name__} of {array.dtype}")
    return array


def to_mask(name: str, mask: Any) -> NDArray[np.bool_]:
    """Return where a mask is > 0, so that class codes are masks; raise ValueError for negative numbers and NaN.

    >>> to_mask("mask", [[0, 253]]).tolist()
    [[False, True]]
    """
    array = to_numbers(name, mask)
    if array.dtype.kind in "if" and not (array >= 0).all():
        raise ValueError(f"{name} must be 0 where good and above 0 where defective, got negative numbers or NaN")
    return array if array.dtype == np.bool_ else array > 0


def as_numpy(name: str, values: Any, kinds: str = "fiu") -> NDArray[Any]:
    """Return what `to_numpy` does, of lists and numbers too.

    >>> as_numpy("points", [[1, 2]]).shape
    (1, 2)
    """
    return to_numpy(name, values if is_tensor(values) else np.asanyarray(values), kinds)


def to_vectors(name: str, values: Any, length: int) -> NDArray[np.float64]:
    """Return vectors (..., length) as float64; what is masked becomes NaN.

    >>> to_vectors("points", [1, 2], 3)
    Traceback (most recent call last):
    ValueError: points must have shape (..., 3), got (2,)
    """
    vectors = as_numpy(name, values)
    if vectors.shape[-1:] != (length,):
        raise ValueError(f"{name} must have shape (..., {length}), got {vectors.shape}")
    return vectors.astype(np.float64, copy=False)


def without_mask(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a plain array: masked numbers become NaN. Raises TypeError for masked ones that are not floating.

    >>> without_mask("points", np.ma.masked_equal([1.0, 2.0], 2)).tolist()
    [1.0, nan]
    """
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    if array.dtype.kind != "f" and np.ma.is_masked(array):
        raise TypeError(f"{name} must be floating where some are masked, got {array.dtype}")
    return np.asarray(array.filled(math.nan) if array.dtype.kind == "f" else array.data)


def _wanted(kinds: str) -> str:
    return "bool" if kinds == "b" else "real numbers" if "f" in kinds else "integers"


def to_floats(name: str, array: Any, shape: tuple[int | str, ...]) -> NDArray[np.float32]:
    """Return `array` as contiguous float32 of `shape` (strings stand for any length)."""
    numbers = to_numpy(name, array)
    _check.shape(name, numbers, shape)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which every kernel knows
        return np.require(numbers, np.float32, ["C", "W"])  # writable, as kernels compile once for each kind


def to_points(name: str, array: Any) -> NDArray[np.float32]:
    """Return points (N, 3) as contiguous float32."""
    return to_floats(name, array, ("N", 3))


def to_corner(origin: Any) -> NDArray[np.float64]:
    """Return the corner `origin` (3,) of a grid as float64; raise ValueError unless it is finite."""
    corner = as_numpy("origin", from_tensor(origin)).astype(np.float64)
    _check.shape("origin", corner, (3,))
    if not np.isfinite(corner).all():
        raise ValueError(f"origin must be finite, got {corner.tolist()}")
    return corner


def to_side(cell: Any) -> float:
    """Return the side of a grid's cells; raise TypeError unless it is a number, ValueError unless finite and > 0."""
    side = real("cell", cell)
    _check.positive(cell=side)
    return side


def like(result: NDArray[Any], original: Any) -> Any:
    """Return a numpy `result` as the kind of array that `original` is."""
    return sys.modules["torch"].from_numpy(result) if is_tensor(original) else result


def whole(name: str, value: Any, *, zero: bool = False) -> int:
    """Return `value` as int; raise TypeError unless it is of a whole number's type, ValueError unless it is > 0.

    0 passes if `zero` says so.

    >>> whole("k", np.uint8(8)) * 100, whole("seed", 0, zero=True)
    (800, 0)
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    (_check.not_negative if zero else _check.positive)(**{name: int(value)})
    return int(value)


def real(name: str, value: Any) -> float:
    """Return `value` as float; raise TypeError unless it is a real number's type."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    return float(value)


def check_range(name: str, index: Any, count: int) -> None:
    """Raise ValueError unless all of `index`, numpy or a tensor, lie in [0, count)."""
    if 0 in index.shape:
        return
    # As unsigned numbers negative ones are the largest: one pass instead of two where nothing is wrong.
    if is_tensor(index) or index.view(f"u{index.itemsize}").max() >= count:
        check_span(name, (int(index.min()), int(index.max())), count)


def check_span(name: str, span: tuple[int, int], count: int) -> None:
    """Raise ValueError unless the smallest and the largest index lie in [0, count)."""
    if span[0] < 0 or span[1] >= count:
        raise ValueError(f"{name} must lie in [0, {count}), got values from {span[0]} to {span[1]}")
