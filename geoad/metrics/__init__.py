"""Numbers from anomaly maps and ground truth: arrays in, floats and curves out. Imports no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoad.metrics.classification import average_precision, roc_auc
    from geoad.metrics.curve import Curve
    from geoad.metrics.localisation import au_pro, pixel_auroc, rank_pixels
    from geoad.metrics.pixel_ranking import PixelRanking
    from geoad.metrics.regions import label_regions

_EXPORTS = {
    "Curve": "geoad.metrics.curve",
    "PixelRanking": "geoad.metrics.pixel_ranking",
    "au_pro": "geoad.metrics.localisation",
    "average_precision": "geoad.metrics.classification",
    "label_regions": "geoad.metrics.regions",
    "pixel_auroc": "geoad.metrics.localisation",
    "rank_pixels": "geoad.metrics.localisation",
    "roc_auc": "geoad.metrics.classification",
}

__all__ = [
    "Curve",
    "PixelRanking",
    "au_pro",
    "average_precision",
    "label_regions",
    "pixel_auroc",
    "rank_pixels",
    "roc_auc",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
