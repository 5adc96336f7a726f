"""Numbers from anomaly maps and ground truth: arrays in, floats and curves out. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.metrics.classification import average_precision, roc_auc
    from geoad.metrics.curve import Curve
    from geoad.metrics.decision import Best, best_balanced_accuracy, best_f1, decide, rate_pairs
    from geoad.metrics.localisation import au_pro, pixel_auroc, rank_pixels
    from geoad.metrics.operating_point import Confusion, PixelDecision, decide_pixels, threshold_at_fpr
    from geoad.metrics.pimo import aupimo
    from geoad.metrics.pixel_ranking import PixelRanking
    from geoad.metrics.profiles import Profiles, profile_images
    from geoad.metrics.regions import label_regions
    from geoad.metrics.resampling import Comparison, Interval, bootstrap, compare
    from geoad.metrics.saturation import au_spro, rank_saturated
    from geoad.metrics.threshold import Threshold

_HOME = {
    "Best": "geoad.metrics.decision",
    "Comparison": "geoad.metrics.resampling",
    "Confusion": "geoad.metrics.operating_point",
    "Curve": "geoad.metrics.curve",
    "Interval": "geoad.metrics.resampling",
    "PixelDecision": "geoad.metrics.operating_point",
    "PixelRanking": "geoad.metrics.pixel_ranking",
    "Profiles": "geoad.metrics.profiles",
    "Threshold": "geoad.metrics.threshold",
    "au_pro": "geoad.metrics.localisation",
    "au_spro": "geoad.metrics.saturation",
    "aupimo": "geoad.metrics.pimo",
    "average_precision": "geoad.metrics.classification",
    "best_balanced_accuracy": "geoad.metrics.decision",
    "best_f1": "geoad.metrics.decision",
    "bootstrap": "geoad.metrics.resampling",
    "compare": "geoad.metrics.resampling",
    "decide": "geoad.metrics.decision",
    "decide_pixels": "geoad.metrics.operating_point",
    "label_regions": "geoad.metrics.regions",
    "pixel_auroc": "geoad.metrics.localisation",
    "profile_images": "geoad.metrics.profiles",
    "rank_pixels": "geoad.metrics.localisation",
    "rank_saturated": "geoad.metrics.saturation",
    "rate_pairs": "geoad.metrics.decision",
    "roc_auc": "geoad.metrics.classification",
    "threshold_at_fpr": "geoad.metrics.operating_point",
}

__all__ = [
    "Best",
    "Comparison",
    "Confusion",
    "Curve",
    "Interval",
    "PixelDecision",
    "PixelRanking",
    "Profiles",
    "Threshold",
    "au_pro",
    "au_spro",
    "aupimo",
    "average_precision",
    "best_balanced_accuracy",
    "best_f1",
    "bootstrap",
    "compare",
    "decide",
    "decide_pixels",
    "label_regions",
    "pixel_auroc",
    "profile_images",
    "rank_pixels",
    "rank_saturated",
    "rate_pairs",
    "roc_auc",
    "threshold_at_fpr",
]

__getattr__, __dir__ = lazy(__name__, _HOME)
