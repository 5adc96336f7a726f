"""The slow, obvious twins: one threshold after another, one region after another."""

import numpy as np
from scipy import ndimage


def regions(mask, connectivity):
    return ndimage.label(mask, np.ones((3, 3)) if connectivity == 8 else None)


def pro_curve(maps, masks, connectivity=8):
    """A point for every distinct score: share of good pixels and mean share of regions at or above it."""
    labels = [regions(mask > 0, connectivity) for mask in masks]
    good = np.concatenate([m[mask == 0] for m, mask in zip(maps, masks, strict=True)]).astype(np.float64)
    inside = [m[lab == j].astype(np.float64) for m, (lab, n) in zip(maps, labels, strict=True) for j in range(1, n + 1)]
    x, y = [0.0], [0.0]
    for threshold in np.unique(np.concatenate([good, *inside]))[::-1]:
        x.append(np.mean(good >= threshold))
        y.append(np.mean([np.mean(region >= threshold) for region in inside]))
    return x, y


def area(x, y, limit):
    """Trapezoids up to the limit, the last one cut by interpolation."""
    total = 0.0
    for x0, x1, y0, y1 in zip(x, x[1:], y, y[1:], strict=False):
        if x1 > limit:
            if x0 < limit:
                cut = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
                total += (limit - x0) * (y0 + cut) / 2
            break
        total += (x1 - x0) * (y0 + y1) / 2
    return total / limit


def au_pro(maps, masks, limit, connectivity=8):
    return area(*pro_curve(maps, masks, connectivity), limit)


def official_curve(maps, masks, thresholds=100):
    """The published rules: thresholds at ranks of the good scores, rate from the rank, overlap strictly above."""
    good = np.sort(np.concatenate([m[mask == 0] for m, mask in zip(maps, masks, strict=True)]))
    labels = [regions(mask > 0, 8) for mask in masks]
    inside = [m[lab == j] for m, (lab, n) in zip(maps, labels, strict=True) for j in range(1, n + 1)]
    x, y = [1.0], [1.0]
    for position in np.linspace(0, len(good) - 1, thresholds).astype(int):
        x.append(1 - (position + 1) / len(good))
        y.append(np.mean([np.mean(region > good[position]) for region in inside]))
    return x[::-1], y[::-1]


def roc_auc(scores, labels):
    """The share of pairs in the right order, half of those in none."""
    high = [s for s, label in zip(scores, labels, strict=True) if label]
    low = [s for s, label in zip(scores, labels, strict=True) if not label]
    return np.mean([(h > g) + 0.5 * (h == g) for h in high for g in low])


def average_precision(scores, labels):
    scores, labels = np.asarray(scores), np.asarray(labels)
    total, recall = 0.0, 0.0
    for threshold in np.unique(scores)[::-1]:
        found = labels[scores >= threshold]
        total += (found.sum() / labels.sum() - recall) * found.mean()
        recall = found.sum() / labels.sum()
    return total


def curve(maps, masks, height):
    """A point for every distinct score: share of good pixels at or above it, and `height` of what is found there."""
    scores = np.concatenate([m.ravel().astype(np.float64) for m in maps])
    labels = np.concatenate([m.ravel() > 0 for m in masks])
    x, y = [0.0], [0.0]
    for threshold in np.unique(scores)[::-1]:
        found = scores >= threshold
        x.append(np.mean(found[~labels]))
        y.append(height(found, labels))
    return x, y


def recall(found, labels):
    return np.mean(found[labels])


def iou(found, labels):
    return np.sum(found & labels) / np.sum(found | labels)


def spro_curve(maps, regions):
    """One threshold after another, one annotation after another."""
    pairs = list(zip(maps, regions, strict=True))
    covered = [np.any([mask for mask, _ in each] + [np.zeros(m.shape, bool)], 0) for m, each in pairs]
    good = np.concatenate([m[~c] for m, c in zip(maps, covered, strict=True)]).astype(np.float64)
    inside = [(m[mask], s) for m, each in pairs for mask, s in each]
    x, y = [0.0], [0.0]
    for threshold in np.unique(np.concatenate([m.ravel().astype(np.float64) for m in maps]))[::-1]:
        x.append(np.mean(good >= threshold))
        y.append(np.mean([min(np.sum(scores >= threshold) / s, 1) for scores, s in inside]))
    return x, y


def precision_trapezoid(scores, labels):
    """Straight lines between the points of all thresholds; before the first, its precision."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    total, recall, precision = 0.0, 0.0, None
    for threshold in np.unique(scores)[::-1]:
        found = labels[scores >= threshold]
        now, at = found.sum() / labels.sum(), found.mean()
        total += (now - recall) * (at + (at if precision is None else precision)) / 2
        recall, precision = now, at
    return total
