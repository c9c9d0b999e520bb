"""Metrics as plain loops, straight from their definitions; slow, and independent of the library."""

import itertools


def true_positive_rate(labels, scores, threshold=0.5):
    found = missed = 0
    for label, score in zip(labels, scores):
        if label and score >= threshold:
            found += 1
        elif label:
            missed += 1
    return found / (found + missed)


def false_positive_rate(labels, scores, threshold=0.5):
    return true_positive_rate([1 - label for label in labels], scores, threshold)


def roc_auc(labels, scores):
    """Share of abnormal-normal pairs in the right order, ties one half."""
    won, pairs = 0.0, 0
    for abnormal_label, abnormal in zip(labels, scores):
        for normal_label, normal in zip(labels, scores):
            if abnormal_label and not normal_label:
                pairs += 1
                won += 1.0 if abnormal > normal else 0.5 if abnormal == normal else 0.0
    return won / pairs


def precision_recall_points(labels, scores):
    """(recall, precision) at every distinct score, from the highest down, after the point (0, 1)."""
    points = [(0.0, 1.0)]
    for threshold in sorted(set(scores), reverse=True):
        alarms = [label for label, score in zip(labels, scores) if score >= threshold]
        points.append((sum(alarms) / sum(labels), sum(alarms) / len(alarms)))
    return points


def average_precision(labels, scores):
    points = precision_recall_points(labels, scores)
    return sum((recall - before) * precision for (before, _), (recall, precision) in itertools.pairwise(points))


def pr_auc_trapezoid(labels, scores):
    points = precision_recall_points(labels, scores)
    return sum((r2 - r1) * (p1 + p2) / 2 for (r1, p1), (r2, p2) in itertools.pairwise(points))
