"""Where to compute: the device of each process, and the Fabric that drives it."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

from geoad._optional import need


def device_name(device: str | torch.device) -> str:
    """Return the name of a device; raise ValueError unless it is one to train on.

    >>> device_name(torch.device("cpu", 0))
    'cpu'
    """
    name = "cpu" if str(device) == "cpu:0" else str(device)
    if not re.fullmatch("auto|cpu|cuda(:[0-9]+)?", name):
        raise ValueError(f'device must be "auto", "cpu", "cuda" or "cuda:NUMBER", got {name!r}')
    return name


def devices_of(device: str, count: int) -> list[str]:
    """Return the devices of `count` processes: a GPU each, or the CPU for all of them.

    Raises ValueError for another device, for a GPU that is not here, for one certain GPU among several devices, and
    for more devices than GPUs.

    >>> devices_of("auto", 1), devices_of("cpu", 2)
    (['auto'], ['cpu', 'cpu'])
    """
    device = device_name(device)
    if count > 1 and device not in ("auto", "cpu", "cuda"):
        raise ValueError(f'device must be "auto", "cpu" or "cuda" with {count} devices, got {device!r}')
    gpus = 0 if device == "cpu" else torch.cuda.device_count()
    if device.startswith("cuda") and not gpus:
        raise ValueError(f"device {device!r} needs a GPU and torch sees none: take 'cpu' or 'auto'")
    if count == 1:
        return [device]
    if device == "cpu" or (device == "auto" and not gpus):
        return ["cpu"] * count
    if count > gpus:
        raise ValueError(f"devices must be at most {gpus}, the number of GPUs, got {count}")
    return [f"cuda:{number}" for number in range(count)]


def torch_device(device: str) -> str:
    """Return where one process computes: "auto" is a GPU if there is one. Raises ValueError for a GPU that is not here.

    >>> torch_device("cpu")
    'cpu'
    """
    (found,) = devices_of(device, 1)
    return found if found != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def check_precision(precision: str, device: str) -> None:
    """Raise ValueError for float16 on a CPU, where it would be bfloat16 under another name.

    >>> check_precision("16-mixed", "cpu")
    Traceback (most recent call last):
    ValueError: precision '16-mixed' needs a GPU: on a CPU take 'bf16-mixed' or '32-true'
    """
    if precision == "16-mixed" and (device == "cpu" or not torch.cuda.is_available()):
        raise ValueError(f"precision {precision!r} needs a GPU: on a CPU take 'bf16-mixed' or '32-true'")


def open_fabric(device: str, precision: str) -> Any:
    """Return a Fabric for one device, from whichever package has it.

    >>> open_fabric("cpu", "32-true").device
    device(type='cpu')
    """
    accelerator, _, number = torch_device(device).partition(":")  # Fabric's "auto" takes devices without float64
    devices: Any = [int(number)] if number else 1
    return fabric_package().Fabric(accelerator=accelerator, devices=devices, precision=precision)


def fabric_package() -> ModuleType:
    """Return the package that has Fabric, by whichever of its two names is installed.

    >>> fabric_package().Fabric.__name__
    'Fabric'
    """
    for name in ("lightning_fabric", "lightning.fabric"):
        with suppress(ImportError):
            return import_module(name)
    return need("lightning_fabric", "train")
