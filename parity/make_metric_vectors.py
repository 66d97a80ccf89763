"""Writes metric_vectors.json: labelled scores, with and without weights, and what scikit-learn measures on them."""

import json
import random

import numpy as np
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve


def measures(labels, scores, weights):
    fpr, tpr, _ = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    # scikit-learn has no equal error rate: the usual recipe over its curve. Where several points share a false
    # alarm rate the line is over the point's place, not its rate.
    place = np.arange(len(fpr), dtype=float)
    rate, found = interp1d(place, fpr), interp1d(place, tpr)
    at = brentq(lambda x: float(rate(x) + found(x) - 1.0), 0.0, place[-1], xtol=1e-15, rtol=1e-15)
    area = lambda most: float(roc_auc_score(labels, scores, sample_weight=weights, max_fpr=most))
    return {
        "auc": float(roc_auc_score(labels, scores, sample_weight=weights)),
        "partial_auc_1": area(0.01),
        "partial_auc_5": area(0.05),
        "equal_error_rate": float(rate(at)),
        "detected_at_0_1": float(tpr[fpr <= 0.001].max()),
        "detected_at_1": float(tpr[fpr <= 0.01].max()),
        "detected_at_5": float(tpr[fpr <= 0.05].max()),
        "false_alarms_at_90": float(fpr[tpr >= 0.9].min()),
        "average_precision": float(average_precision_score(labels, scores, sample_weight=weights)),
    }


def case(rng, normal, attack, shift, digits):
    labels = [0] * normal + [1] * attack
    scores = [round(rng.gauss(shift * label, 1.0), digits) for label in labels]
    weights = [rng.choice([0, 1, 1, 2, 3]) for _ in labels]
    # Each kind has to count at least once.
    weights[0] = weights[-1] = 1
    return {
        "labels": labels,
        "scores": scores,
        "weights": weights,
        "plain": measures(labels, scores, None),
        "weighted": measures(labels, scores, weights),
    }


rng = random.Random(5)
cases = [
    case(rng, *shape)
    for shape in [
        (1, 1, 1.0, 3),
        (5, 3, 1.0, 1),
        (40, 7, 0.5, 1),
        (300, 60, 1.0, 6),
        (300, 60, 1.0, 1),
        (300, 60, 2.5, 0),
        (120, 400, -0.5, 2),
        (1500, 200, 1.5, 2),
    ]
]
with open("metric_vectors.json", "w") as out:
    json.dump({"cases": cases}, out)
