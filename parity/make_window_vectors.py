"""Writes window_vectors.json: a small window network as Keras 3 computes it, in f32.

Run with a Python that has keras and torch (see README.md). It is the original's network made small: one-hot
calls, three LSTM layers of different widths, of which the last gives its last step only, and a dense layer
with softmax or (for the rows called "linear activation") without. Losses and optimisers are Keras' own
classes; only the loop around them is written out, so that the gradients can be seen. First weights are
rounded to four digits, so that the file is short.
"""

import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

VOCAB, HIDDEN, WINDOW, BATCH = 11, [5, 9, 4], 6, 4
STEPS = 6
OBJECTIVES = {
    "cross_entropy": ("softmax", keras.losses.CategoricalCrossentropy),
    "mean_squared": ("softmax", keras.losses.MeanSquaredError),
    "unnormalised_cross_entropy": ("linear", keras.losses.CategoricalCrossentropy),
}
OPTIMISERS = {
    "rmsprop": (keras.optimizers.RMSprop, {"cross_entropy": 0.01, "mean_squared": 0.01}),
    "sgd": (keras.optimizers.SGD, {"cross_entropy": 0.5, "mean_squared": 8.0}),
}
# Wide enough that the moments of fresh weights mean something.
INIT_VOCAB, INIT_HIDDEN = 60, [40, 50]


def network(vocab, hidden, window, activation):
    layers = [keras.layers.Input((window, vocab))]
    for depth, width in enumerate(hidden):
        layers.append(keras.layers.LSTM(width, return_sequences=depth + 1 < len(hidden)))
    return keras.Sequential([*layers, keras.layers.Dense(vocab, activation=activation)])


def names(hidden):
    """Our names of Keras' variables, in its order. Its matrices are ours transposed, its gates in our
    order."""
    for layer in range(len(hidden)):
        yield f"lstm.{layer}.weight_ih"
        yield f"lstm.{layer}.weight_hh"
        yield f"lstm.{layer}.bias"
    yield "output.weight"
    yield "output.bias"


def numbers(array, digits=5):
    return [float(f"{x:.{digits}g}") for x in np.asarray(array, dtype=np.float64).reshape(-1)]


def named(arrays):
    return {n: numbers(np.asarray(a).T) for n, a in zip(names(HIDDEN), arrays, strict=True)}


def step(model, loss, inputs, targets):
    """The loss, and the gradients of the model's variables, which stay in them."""
    model.zero_grad()
    value = loss(targets, model(inputs, training=True))
    value.backward()
    return value.item(), [v.value.grad for v in model.trainable_variables]


def main():
    keras.utils.set_random_seed(7)
    torch.set_num_threads(1)
    rng = np.random.default_rng(7)
    windows = rng.integers(VOCAB, size=(BATCH, WINDOW + 1))
    inputs = np.eye(VOCAB, dtype=np.float32)[windows[:, :-1]]
    targets = np.eye(VOCAB, dtype=np.float32)[windows[:, -1]]

    models = {a: network(VOCAB, HIDDEN, WINDOW, a) for a in ("softmax", "linear")}
    shapes = [v.shape for v in models["softmax"].trainable_variables]
    initial = [rng.uniform(-0.8, 0.8, s).round(4).astype(np.float32) for s in shapes]
    # Without a softmax, outputs of which the sum is 0 or nearly so would make everything depend on
    # rounding; these have sums far from it, and targets' outputs of both signs.
    initial[-1] = rng.uniform(-0.6, 1.4, VOCAB).round(4).astype(np.float32)
    out = {
        "keras": keras.__version__,
        "torch": torch.__version__,
        "vocab": VOCAB,
        "hidden": HIDDEN,
        "windows": windows.tolist(),
        "weights": named(initial),
        "objectives": {},
        "optimisers": [],
    }

    for model in models.values():
        model.set_weights(initial)
    probabilities = models["softmax"](inputs).detach().numpy()
    out["probabilities"] = numbers(probabilities)
    linear = models["linear"](inputs).detach().numpy()
    shares = (linear * targets).sum(1) / linear.sum(1)
    clipped = int(((shares < 1e-7) | (shares > 1 - 1e-7)).sum())
    assert 0 < clipped < BATCH, f"clipping must act on some windows, not on all: {shares}"
    assert (abs(linear.sum(1)) > 1).all(), linear.sum(1)

    for name, (activation, loss) in OBJECTIVES.items():
        value, gradients = step(models[activation], loss(), inputs, targets)
        out["objectives"][name] = {
            "loss": float(f"{value:.9g}"),
            "gradients": named([g.numpy() for g in gradients]),
        }

    for name, (optimiser, rates) in OPTIMISERS.items():
        for objective, rate in rates.items():
            activation, loss = OBJECTIVES[objective]
            model, steps = models[activation], optimiser(learning_rate=rate)
            model.set_weights(initial)
            losses = []
            for _ in range(STEPS):
                value, gradients = step(model, loss(), inputs, targets)
                losses.append(float(f"{value:.9g}"))
                with torch.no_grad():
                    steps.apply(gradients, model.trainable_variables)
            moved = [np.float64(a) - np.float64(b) for a, b in zip(model.get_weights(), initial)]
            out["optimisers"].append(
                {
                    "optimiser": name,
                    "objective": objective,
                    "learning_rate": rate,
                    "losses": losses,
                    "moved": named(moved),
                }
            )
            print(f"{name}, {objective}: {losses[0]:.5f} to {losses[-1]:.5f}")

    fresh = network(INIT_VOCAB, INIT_HIDDEN, WINDOW, "softmax").get_weights()
    products = [w.astype(np.float64) @ w.T - np.eye(len(w)) for w in fresh if w.ndim == 2]
    out["fresh"] = {
        "vocab": INIT_VOCAB,
        "hidden": INIT_HIDDEN,
        # Least, greatest, standard deviation.
        "moments": {
            n: numbers([w.min(), w.max(), w.std()])
            for n, w in zip(names(INIT_HIDDEN), fresh, strict=True)
        },
        # Of which matrices the rows, here, are orthonormal.
        "orthonormal": [
            n
            for n, p in zip([n for n in names(INIT_HIDDEN) if "bias" not in n], products)
            if abs(p).max() < 1e-5
        ],
    }
    print(f"orthonormal: {out['fresh']['orthonormal']}")

    path = pathlib.Path(__file__).with_name("window_vectors.json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {clipped} of {BATCH} windows clipped")


if __name__ == "__main__":
    main()
