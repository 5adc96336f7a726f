"""Numbers from anomaly maps and ground truth: arrays in, floats and curves out. Imports no torch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

PUBLIC = {
    "Curve": "curve",
    "PixelRanking": "pixel_ranking",
    "au_pro": "localisation",
    "average_precision": "classification",
    "label_regions": "regions",
    "pixel_auroc": "localisation",
    "rank_pixels": "localisation",
    "roc_auc": "classification",
}
__all__ = sorted(PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
