"""Runs an exported network in ONNX Runtime and holds its surprises against ours.

    python onnx_check.py MODEL.onnx NAMES_FOLDER SCORES.jsonl

NAMES_FOLDER is what `idiolect convert --to plain` writes, SCORES.jsonl what `idiolect score --json` says of it.
Prints the largest difference of a stream's mean surprise; exits with 1 where it is above 1e-4 nats.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main():
    model, folder, scores = sys.argv[1:]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    tokens = {name: token for token, name in enumerate(json.loads(metadata["vocabulary"]))}
    window = int(metadata.get("window", 0))
    zeros = {
        value.name: np.zeros((1, value.shape[1]), np.float32) for value in session.get_inputs() if value.name != "tokens"
    }

    def log_probs(sequence):
        return session.run(["log_probs"], {"tokens": np.array([sequence], np.int64), **zeros})[0][0]

    worst, streams, calls = 0.0, 0, 0
    for line in open(scores):
        score = json.loads(line)
        if score["signals"] is None or "blocks" in score and score["blocks"]:
            continue
        path = Path(folder) / Path(score["stream"]).name
        names = path.read_text().split()
        sequence = [tokens[f"<{score['start']}>"]] + [tokens.get(name, tokens["<unk>"]) for name in names]
        if window:
            before = [sequence[max(0, end - window) : end] for end in range(1, len(sequence))]
            each = [log_probs(w)[-1][token] for w, token in zip(before, sequence[1:])]
        else:
            each = log_probs(sequence[:-1])[np.arange(len(names)), sequence[1:]]
        worst = max(worst, abs(float(np.mean(np.maximum(-np.asarray(each), 0.0))) - score["signals"]["mean"]))
        streams, calls = streams + 1, calls + len(names)
    print(f"{streams} streams, {calls} calls: means differ by {worst:.2e} nats at most")
    sys.exit(streams == 0 or worst > 1e-4)


if __name__ == "__main__":
    main()
