"""The other side of scripts/detectors.sh: plain Python, hmmlearn and scikit-learn on the streams that the example
`detectors` wrote into a folder. One thread. usage: detector_speed.py FOLDER ROUND"""

import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from hmmlearn.hmm import CategoricalHMM
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.svm import OneClassSVM

logging.getLogger("hmmlearn").setLevel(logging.ERROR)
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
train, test, labels = [], [], []
for line in open(folder / "streams"):
    kind, *calls = line.split()
    calls = [int(call) for call in calls]
    if kind == "train":
        train.append(calls)
    else:
        test.append(calls)
        labels.append(kind == "attack")
known = 1 + max(max(calls) for calls in train)


def timed(work, fit, score, finish=lambda scores: {"auc": float(roc_auc_score(labels, scores))}):
    began = time.perf_counter()
    model = fit()
    fitted = time.perf_counter()
    scores = score(model)
    scored = time.perf_counter()
    told = {"work": work, "fit": fitted - began, "score": scored - fitted}
    print(json.dumps(told | finish(scores)), flush=True)


def stide(windows, calls, n=6):
    count = len(calls) - n + 1
    return sum(tuple(calls[at : at + n]) not in windows for at in range(count)) / max(count, 1)


timed(
    "stide",
    lambda: {tuple(calls[at : at + 6]) for calls in train for at in range(len(calls) - 5)},
    lambda windows: [stide(windows, calls) for calls in test],
)

begins = json.load(open(folder / "hmm.json"))
states = begins["states"]
scored = [calls for calls in test if max(calls) < known]


def hmm():
    model = CategoricalHMM(
        states, n_iter=begins["iterations"], tol=-np.inf, init_params="", params="ste", implementation="scaling"
    )
    model.startprob_ = np.array(begins["initial"])
    model.transmat_ = np.array(begins["transition"]).reshape(states, states)
    model.emissionprob_ = np.array(begins["emission"]).reshape(known, states).T
    for matrix in (model.startprob_, model.transmat_, model.emissionprob_):
        matrix /= matrix.sum(axis=-1, keepdims=True)
    model.n_features = known
    return model.fit(np.concatenate(train)[:, None], [len(calls) for calls in train])


def hmm_told(scores):
    # The likelihood by the last parameters, as ours is told.
    all_calls = np.concatenate(train)[:, None]
    total = model_of["hmm"].score(all_calls, [len(calls) for calls in train])
    nats = [-score / len(calls) for score, calls in zip(scores, scored)]
    return {
        "nats_a_training_call": -total / len(all_calls),
        "mean_nats_of_tested": float(np.mean(nats)),
        "streams": len(scored),
    }


model_of = {}


def keep(model):
    model_of["hmm"] = model
    return [model.score(np.array(calls)[:, None]) for calls in scored]


timed("hmm", hmm, keep, hmm_told)


def bags(streams):
    """Counts of training's calls and, last, of all others, as unit vectors."""
    rows = np.stack([np.bincount(np.minimum(calls, known), minlength=known + 1) for calls in streams])
    return normalize(rows.astype(float))


def of_bags(work, fit, score):
    timed(work, lambda: fit(bags(train)), lambda model: score(model, bags(test)))


def one_class(rows):
    gamma = 1.0 / rows.var(axis=0).sum()
    return OneClassSVM(kernel="rbf", gamma=gamma, nu=0.1).fit(rows)


of_bags("svm-1", one_class, lambda model, rows: -model.score_samples(rows))
clusters = round((len(train) / 2) ** 0.5)
of_bags(
    "k-means",
    lambda rows: KMeans(clusters, n_init=1, max_iter=100, random_state=seed).fit(rows),
    lambda model, rows: model.transform(rows).min(axis=1),
)
of_bags(
    "isolation-forest",
    lambda rows: IsolationForest(max_samples=min(256, len(rows)), random_state=seed).fit(rows),
    lambda model, rows: -model.score_samples(rows),
)


def nearest(rows):
    return NearestNeighbors(n_neighbors=1, metric="cosine", algorithm="brute", n_jobs=1).fit(rows)


of_bags("bag-1", nearest, lambda model, rows: model.kneighbors(rows)[0][:, 0])


def texts(streams):
    return [" ".join(map(str, calls)) for calls in streams]


grams = CountVectorizer(ngram_range=(1, 3), token_pattern=r"\S+", lowercase=False)
sizes = [
    sum(count * count for size in (1, 2, 3) for count in Counter(zip(*(calls[at:] for at in range(size)))).values())
    for calls in test
]


def nearest_grams(model):
    # Sequences that training never made count for a stream's length alone.
    rows = grams.transform(texts(test)).astype(float)
    own = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    cosine = 1.0 - model.kneighbors(rows)[0][:, 0]
    return 1.0 - cosine * own / np.sqrt(sizes)


timed("bag-3", lambda: nearest(grams.fit_transform(texts(train)).astype(float)), nearest_grams)
