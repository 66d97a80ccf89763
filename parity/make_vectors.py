"""Writes vectors.json: a small two-layer LSTM language model as PyTorch computes it, in f32.

Run with a Python that has torch (see README.md). The layers differ in width, three lanes end at different
steps (so that padding is masked), and the state is carried from the first chunk to the second. nn.LSTM has
two biases where ours has one, so its bias_hh is zero and frozen.
"""

import json
import pathlib

import torch
from torch import nn

VOCAB, EMBEDDING, HIDDEN, BPTT = 11, 6, [8, 5], 7
LENGTHS = [14, 9, 5]  # targets of each stream
IGNORE = -1
CLIP = 0.2
OPTIMISERS = {
    "adam": (torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.02}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
}
EPOCHS = 5  # of two chunks: ten steps


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, EMBEDDING)
        widths = [EMBEDDING, *HIDDEN]
        self.layers = nn.ModuleList(nn.LSTM(i, o) for i, o in zip(widths, widths[1:]))
        self.output = nn.Linear(HIDDEN[-1], VOCAB)
        for layer in self.layers:
            layer.bias_hh_l0.requires_grad_(False).zero_()

    def forward(self, tokens, states):
        x, after = self.embedding(tokens), []
        for layer, state in zip(self.layers, states):
            x, state = layer(x, state)
            after.append(state)
        return self.output(x), after

    def named(self):
        """Our names, in our order."""
        yield "embedding.weight", self.embedding.weight
        for n, layer in enumerate(self.layers):
            yield f"lstm.{n}.weight_ih", layer.weight_ih_l0
            yield f"lstm.{n}.weight_hh", layer.weight_hh_l0
            yield f"lstm.{n}.bias", layer.bias_ih_l0
        yield "output.weight", self.output.weight
        yield "output.bias", self.output.bias


def zero_states(lanes):
    return [(torch.zeros(1, lanes, h), torch.zeros(1, lanes, h)) for h in HIDDEN]


def chunks(streams):
    """Tokens and targets [steps, lanes] of each chunk; a lane that has ended is padded with token 0."""
    for start in range(0, max(LENGTHS), BPTT):
        steps = min(BPTT, max(LENGTHS) - start)
        tokens = torch.zeros(steps, len(streams), dtype=torch.long)
        targets = torch.full((steps, len(streams)), IGNORE)
        for lane, stream in enumerate(streams):
            for t in range(start, min(start + steps, len(stream) - 1)):
                tokens[t - start, lane] = stream[t]
                targets[t - start, lane] = stream[t + 1]
        yield tokens, targets


def loss_of(logits, targets):
    return nn.functional.cross_entropy(
        logits.reshape(-1, VOCAB), targets.reshape(-1), ignore_index=IGNORE
    )


def detach(states):
    return [(h.detach(), c.detach()) for h, c in states]


def numbers(tensor):
    # Nine significant digits determine an f32.
    return [float(f"{x:.9g}") for x in tensor.detach().reshape(-1).tolist()]


def main():
    torch.manual_seed(20)
    torch.set_num_threads(1)
    streams = [torch.randint(VOCAB, (n + 1,)).tolist() for n in LENGTHS]
    model = Model()
    initial = {name: p.detach().clone() for name, p in model.named()}

    out = {
        "torch": torch.__version__,
        "vocab": VOCAB,
        "embedding": EMBEDDING,
        "hidden": HIDDEN,
        "bptt": BPTT,
        "clip_norm": CLIP,
        "epochs": EPOCHS,
        "streams": streams,
        "weights": {n: numbers(p) for n, p in initial.items()},
        "chunks": [],
        "optimisers": {},
    }

    states = zero_states(len(streams))
    log_probs = [[] for _ in streams]
    for tokens, targets in chunks(streams):
        model.zero_grad()
        logits, states = model(tokens, states)
        loss = loss_of(logits, targets)
        loss.backward()
        states = detach(states)
        out["chunks"].append(
            {
                "loss": float(f"{loss.item():.9g}"),
                "gradients": {n: numbers(p.grad) for n, p in model.named()},
            }
        )
        for lane in range(len(streams)):
            for t in range(tokens.shape[0]):
                if targets[t, lane] != IGNORE:
                    log_probs[lane] += numbers(logits[t, lane].log_softmax(-1))
    out["log_probs"] = log_probs

    for name, (optimiser, settings) in OPTIMISERS.items():
        with torch.no_grad():
            for key, p in model.named():
                p.copy_(initial[key])
        parameters = [p for _, p in model.named()]
        steps = optimiser(parameters, **settings)
        losses, clipped = [], 0
        for _ in range(EPOCHS):
            states = zero_states(len(streams))
            for tokens, targets in chunks(streams):
                steps.zero_grad()
                logits, states = model(tokens, states)
                loss = loss_of(logits, targets)
                loss.backward()
                states = detach(states)
                clipped += int(nn.utils.clip_grad_norm_(parameters, CLIP) > CLIP)
                steps.step()
                losses.append(float(f"{loss.item():.9g}"))
        assert 0 < clipped < 2 * EPOCHS, "clipping must act on some steps, not on all"
        out["optimisers"][name] = {
            **settings,
            "losses": losses,
            "weights": {n: numbers(p) for n, p in model.named()},
        }

    path = pathlib.Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(out) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {clipped} of {2 * EPOCHS} last steps clipped")


if __name__ == "__main__":
    main()
