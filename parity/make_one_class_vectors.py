"""Writes one_class_vectors.json: streams of calls, and how far scikit-learn's one-class machine puts others outside."""

import json
import random
from collections import Counter

import numpy as np
from sklearn.svm import OneClassSVM

NU = 0.1


def bag(stream, longest):
    calls = stream.split()
    grams = Counter()
    for size in range(1, longest + 1):
        grams.update(tuple(calls[at : at + size]) for at in range(len(calls) - size + 1))
    return grams


def vectors(bags, known):
    # Calls that training never made count for a stream's length alone.
    rows = np.zeros((len(bags), len(known) + 1))
    for row, counts in zip(rows, bags):
        norm = sum(count * count for count in counts.values()) ** 0.5
        others = 0
        for gram, count in counts.items():
            if gram in known:
                row[known[gram]] = count / norm
            else:
                others += (count / norm) ** 2
        row[-1] = others**0.5
    return rows


def case(rng, longest, normal, copies):
    def stream(odd):
        calls, state = [], 0
        for _ in range(rng.randint(5, 60)):
            state = rng.randrange(9) if rng.random() < odd else (state + rng.choice([1, 1, 2])) % 7
            calls.append("abcdefghi"[state])
        return " ".join(calls)

    train = [stream(0.02) for _ in range(normal)]
    train += [rng.choice(train) for _ in range(copies)]
    test = [stream(odd) for odd in (0.02, 0.02, 0.1, 0.2, 0.4, 0.7, 1.0)] + ["z z z"]
    bags = [bag(stream, longest) for stream in train]
    known = {gram: place for place, gram in enumerate(sorted(set().union(*bags)))}
    rows = vectors(bags, known)
    gamma = 1.0 / float(rows.var(axis=0).sum())
    machine = OneClassSVM(kernel="rbf", gamma=gamma, nu=NU, tol=1e-9).fit(rows)
    tested = vectors([bag(stream, longest) for stream in test], known)
    inside = machine.score_samples(tested) / (NU * len(train))
    return {
        "longest": longest,
        "gamma": gamma,
        "train": train,
        "test": test,
        "outside": [float(1.0 - value) for value in inside],
    }


rng = random.Random(7)
cases = [case(rng, *shape) for shape in [(1, 12, 0), (1, 60, 45), (2, 60, 5), (3, 45, 30)]]
with open("one_class_vectors.json", "w") as out:
    json.dump({"cases": cases}, out)
