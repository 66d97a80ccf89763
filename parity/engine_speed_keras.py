"""Times Keras on TensorFlow with the original's network: the works `train-seed` and `windows-seed` of
idiolect-nn's benchmark `engine`.

    KERAS_BACKEND=tensorflow python engine_speed_keras.py

Prints `NAME UNITS SECONDS` for each. The first batches, which compile, are not counted.
"""

import time

import keras
import numpy as np
from keras import layers

VOCAB, WINDOW, WINDOWS = 341, 19, 19_283


def main():
    random = np.random.default_rng(1)
    calls = random.integers(VOCAB, size=WINDOWS + WINDOW)
    cut = np.lib.stride_tricks.sliding_window_view(calls, WINDOW + 1)
    one_hot = np.eye(VOCAB, dtype=np.float32)
    model = keras.Sequential([keras.Input((WINDOW, VOCAB))])
    for width, goes_on in ((64, True), (256, True), (100, False)):
        model.add(layers.LSTM(width, return_sequences=goes_on))
        model.add(layers.Dropout(0.2))
    model.add(layers.Dense(VOCAB, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.RMSprop(1e-3))
    x, y = one_hot[cut[:, :-1]], one_hot[cut[:, -1]]
    model.fit(x[:500], y[:500], batch_size=50, verbose=0)
    start = time.perf_counter()
    model.fit(x, y, batch_size=50, epochs=1, verbose=0)
    print("train-seed", WINDOWS, f"{time.perf_counter() - start:.4f}", flush=True)
    model.predict(x[:1024], batch_size=512, verbose=0)
    start = time.perf_counter()
    model.predict(x[:8192], batch_size=512, verbose=0)
    print("windows-seed", 8192, f"{time.perf_counter() - start:.4f}", flush=True)


main()
