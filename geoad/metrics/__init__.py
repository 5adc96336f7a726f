"""Numbers from anomaly maps and ground truth: arrays in, floats and curves out. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.metrics.classification import average_precision, roc_auc
    from geoad.metrics.curve import Curve
    from geoad.metrics.localisation import au_pro, pixel_auroc, rank_pixels
    from geoad.metrics.pixel_ranking import PixelRanking
    from geoad.metrics.regions import label_regions
    from geoad.metrics.saturation import au_spro, rank_saturated

_EXPORTS = {
    "Curve": "geoad.metrics.curve",
    "PixelRanking": "geoad.metrics.pixel_ranking",
    "au_pro": "geoad.metrics.localisation",
    "au_spro": "geoad.metrics.saturation",
    "average_precision": "geoad.metrics.classification",
    "label_regions": "geoad.metrics.regions",
    "pixel_auroc": "geoad.metrics.localisation",
    "rank_pixels": "geoad.metrics.localisation",
    "rank_saturated": "geoad.metrics.saturation",
    "roc_auc": "geoad.metrics.classification",
}

__all__ = [
    "Curve",
    "PixelRanking",
    "au_pro",
    "au_spro",
    "average_precision",
    "label_regions",
    "pixel_auroc",
    "rank_pixels",
    "rank_saturated",
    "roc_auc",
]

__getattr__ = lazy(__name__, _EXPORTS)


def __dir__() -> list[str]:
    return __all__
