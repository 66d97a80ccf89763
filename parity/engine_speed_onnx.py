"""Times ONNX Runtime on the scoring works of idiolect-nn's benchmark `engine`, by the same names and shapes.

    python engine_speed_onnx.py FOLDER

FOLDER holds what idiolect-onnx's example `random` wrote. Prints `NAME UNITS SECONDS` for each; one thread.
"""

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

LEAST = 1.0


def session(name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = Path(sys.argv[1]) / f"{name}.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def fresh(run, streams):
    states = [value for value in run.get_inputs() if value.name != "tokens"]
    return {value.name: np.zeros((streams, value.shape[1]), np.float32) for value in states}


def repeat(work):
    work()
    start, units = time.perf_counter(), 0
    while True:
        units += work()
        seconds = time.perf_counter() - start
        if seconds >= LEAST:
            return units, seconds


def follow(name, streams, steps):
    run = session(name)
    calls = np.random.default_rng(1).integers(180, size=(steps + 1, streams, 1))
    outputs = [value.name for value in run.get_outputs()]

    def work():
        states = fresh(run, streams)
        for now, following in zip(calls, calls[1:]):
            log_probs, *after = run.run(outputs, {"tokens": now, **states})
            states = dict(zip((name.removesuffix("_after") for name in outputs[1:]), after))
            np.take_along_axis(log_probs[:, 0], following, 1)
        return steps * streams

    return repeat(work)


def windows():
    run = session("seed")
    cut = np.random.default_rng(1).integers(341, size=(512, 20))

    def work():
        log_probs = run.run(["log_probs"], {"tokens": cut[:, :-1], **fresh(run, len(cut))})[0]
        np.take_along_axis(log_probs[:, -1], cut[:, -1:], 1)
        return len(cut)

    return repeat(work)


for shape in ("1x64", "1x200", "2x400"):
    for kind, streams, steps in (("one", 1, 2_000), ("many", 64, 200)):
        print(f"{kind}-{shape}", *"{} {:.4f}".format(*follow(shape, streams, steps)).split(), flush=True)
print("windows-seed", *"{} {:.4f}".format(*windows()).split(), flush=True)
