"""Times PyTorch on the works of idiolect-nn's benchmark `engine`, by the same names and shapes.

    python engine_speed.py [NAME...]

Prints `NAME UNITS SECONDS` for each, and `peak-1` and `peak-2`: floating point operations of a product of
large matrices on one and on two threads, the machine's limit for all of them.
"""

import os
import sys
import time

import torch
from torch import nn

SEED_VOCAB, WINDOW, WINDOWS, VOCAB, STREAMS, LEAST = 341, 19, 19_283, 180, 64, 1.0
SHAPES = {
    "seed": (SEED_VOCAB, None, [64, 256, 100]),
    "1x64": (VOCAB, 64, [64]),
    "1x200": (VOCAB, 200, [200]),
    "2x400": (VOCAB, 400, [400, 400]),
}
WORKS = [
    "peak-1", "peak-2", "train-seed", "train-1x200", "train-2x400", "one-1x64", "one-1x200", "one-2x400",
    "many-1x64", "many-1x200", "many-2x400", "windows-seed",
]  # fmt: skip


class Model(nn.Module):
    """The original's input is one-hot: nn.LSTM has no other way to read calls without an embedding."""

    def __init__(self, name):
        super().__init__()
        self.vocab, embedding, hidden = SHAPES[name]
        self.embedding = nn.Embedding(self.vocab, embedding) if embedding else None
        widths = [embedding or self.vocab, *hidden]
        self.layers = nn.ModuleList(nn.LSTM(i, o, batch_first=True) for i, o in zip(widths, widths[1:]))
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(hidden[-1], self.vocab)

    def read(self, tokens, states):
        x = self.embedding(tokens) if self.embedding else nn.functional.one_hot(tokens, self.vocab).float()
        after = []
        for layer, state in zip(self.layers, states):
            x, state = layer(x, state)
            x = self.dropout(x)
            after.append(state)
        return x, after

    def forward(self, tokens):
        return self.output(self.read(tokens, [None] * len(self.layers))[0])

    def last(self, tokens):
        return self.output(self.read(tokens, [None] * len(self.layers))[0][:, -1])


def peak(threads):
    torch.set_num_threads(threads)
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    return repeat(lambda: (torch.mm(a, b), 2 * 1024**3)[1])


def repeat(work):
    work()
    start, units = time.perf_counter(), 0
    while True:
        units += work()
        seconds = time.perf_counter() - start
        if seconds >= LEAST:
            return units, seconds


def train(name):
    torch.set_num_threads(os.cpu_count())
    model = Model(name).train()
    if name == "seed":
        optimiser = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
        cut = torch.randint(SEED_VOCAB, (WINDOWS + WINDOW,)).unfold(0, WINDOW + 1, 1)
        start = time.perf_counter()
        for batch in torch.randperm(WINDOWS).split(50):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model.last(cut[batch, :-1]), cut[batch, -1]).backward()
            optimiser.step()
        return WINDOWS, time.perf_counter() - start
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    streams = 96 if name == "1x200" else 32
    calls = torch.randint(VOCAB, (1_001,)).expand(streams, -1)
    start = time.perf_counter()
    for group in calls.split(32):
        states = [None] * len(model.layers)
        for at in range(0, 1_000, 100):
            optimiser.zero_grad()
            x, states = model.read(group[:, at : at + 100], states)
            states = [tuple(s.detach() for s in state) for state in states]
            out = model.output(x).flatten(0, 1)
            nn.functional.cross_entropy(out, group[:, at + 1 : at + 101].flatten()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
    return streams * 1_000, time.perf_counter() - start


class Step(nn.Module):
    """One call of some streams: cells cost less than layers where there is one step."""

    def __init__(self, name):
        super().__init__()
        vocab, embedding, hidden = SHAPES[name]
        self.embedding = nn.Embedding(vocab, embedding)
        widths = [embedding, *hidden]
        self.cells = nn.ModuleList(nn.LSTMCell(i, o) for i, o in zip(widths, widths[1:]))
        self.output = nn.Linear(hidden[-1], vocab)

    def forward(self, tokens, states):
        x, after = self.embedding(tokens), []
        for cell, state in zip(self.cells, states):
            state = cell(x, state)
            x = state[0]
            after.append(state)
        return after, nn.functional.log_softmax(self.output(x), dim=1)


def follow(name, streams, steps):
    torch.set_num_threads(1)
    with torch.inference_mode():
        step = Step(name).eval()
        calls = torch.randint(VOCAB, (steps + 1, streams))

        def work():
            states = [None] * len(step.cells)
            for now, following in zip(calls, calls[1:]):
                states, log_probs = step(now, states)
                log_probs.gather(1, following[:, None])
            return steps * streams

        return repeat(work)


def windows():
    torch.set_num_threads(1)
    with torch.inference_mode():
        model = Model("seed").eval()
        cut = torch.randint(SEED_VOCAB, (512, WINDOW + 1))

        def work():
            log_probs = nn.functional.log_softmax(model.last(cut[:, :-1]), dim=1)
            log_probs.gather(1, cut[:, -1:])
            return len(cut)

        return repeat(work)


def main():
    torch.manual_seed(1)
    for name in WORKS:
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        kind, shape = name.split("-")
        if kind == "peak":
            units, seconds = peak(int(shape))
        elif kind == "train":
            units, seconds = train(shape)
        elif kind == "windows":
            units, seconds = windows()
        else:
            units, seconds = follow(shape, *((1, 2_000) if kind == "one" else (STREAMS, 200)))
        print(name, units, f"{seconds:.4f}", flush=True)


if __name__ == "__main__":
    main()
