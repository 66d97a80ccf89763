"""Trains the default preset's recipe in PyTorch and prints the tune loss of each epoch as a JSON line.

The recipe of `idiolect-nn`: an embedding, one LSTM layer, an output layer; lanes that each read whole
streams with carried state, a lane taking the next stream of a shuffled epoch at the boundary of a chunk
when its own has ended; the mean loss over the targets of a chunk; Adam, gradient norm clipped, half a
cosine down to 0 by the share of the training's targets that is done. See README.md for the files.
"""

import argparse
import json
import math
import random
import time

import torch
from torch import nn

IGNORE = -1
UNKNOWN = 0


class Model(nn.Module):
    """Initialised as idiolect-nn does: PyTorch's scheme, with 1 added to the forget gates' bias."""

    def __init__(self, vocab, embedding, hidden, layers, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embedding)
        self.drop = nn.Dropout(dropout)
        self.lstm = nn.LSTM(embedding, hidden, layers, dropout=dropout if layers > 1 else 0.0)
        self.output = nn.Linear(hidden, vocab)
        with torch.no_grad():
            for name, p in self.lstm.named_parameters():
                if name.startswith("bias_hh"):
                    p.requires_grad_(False).zero_()
                elif name.startswith("bias_ih"):
                    p[hidden : 2 * hidden] += 1.0

    def forward(self, tokens, state):
        x, state = self.lstm(self.drop(self.embedding(tokens)), state)
        return self.output(self.drop(x)), state


class Lanes:
    """The streams of one pass, chunk by chunk."""

    def __init__(self, streams, batch, bptt):
        self.streams, self.batch, self.bptt = streams, batch, bptt
        self.next = 0
        self.lane = [None] * batch  # (stream, position)

    def remaining(self, lane):
        return 0 if lane is None else len(lane[0]) - 1 - lane[1]

    def chunk(self):
        """Tokens and targets [steps, batch], and which lanes begin a stream; None when all is read."""
        fresh = torch.zeros(self.batch, dtype=torch.bool)
        for i in range(self.batch):
            while self.remaining(self.lane[i]) == 0 and self.next < len(self.streams):
                self.lane[i] = (self.streams[self.next], 0)
                self.next += 1
                fresh[i] = True
        counts = [min(self.bptt, self.remaining(lane)) for lane in self.lane]
        steps = max(counts)
        if steps == 0:
            return None
        tokens = torch.zeros(steps, self.batch, dtype=torch.long)
        targets = torch.full((steps, self.batch), IGNORE)
        for i, n in enumerate(counts):
            if n > 0:
                stream, at = self.lane[i]
                tokens[:n, i] = stream[at : at + n]
                targets[:n, i] = stream[at + 1 : at + n + 1]
                # Token 0 is a call that training never saw: it teaches nothing and is not counted.
                targets[:n, i][targets[:n, i] == UNKNOWN] = IGNORE
                self.lane[i] = (stream, at + n)
        return tokens, targets, fresh


def read(path, vocab):
    streams = []
    with open(path) as file:
        for number, line in enumerate(file, 1):
            tokens = [int(word) for word in line.split()]
            if any(not 0 <= t < vocab for t in tokens):
                raise SystemExit(f"{path}, line {number}: a token beyond the vocabulary of {vocab}")
            if len(tokens) > 1:
                streams.append(torch.tensor(tokens))
    return streams


def zero_state(args):
    shape = (args.layers, args.batch, args.hidden)
    return torch.zeros(shape), torch.zeros(shape)


def passes(model, streams, args, learn):
    """Mean loss over all targets; `learn(loss, targets so far)` is called for each chunk."""
    lanes = Lanes(streams, args.batch, args.bptt)
    state, total, count = zero_state(args), 0.0, 0
    while (chunk := lanes.chunk()) is not None:
        tokens, targets, fresh = chunk
        keep = (~fresh).float().view(1, -1, 1)
        state = tuple(s.detach() * keep for s in state)
        logits, state = model(tokens, state)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE
        )
        learn(loss, count)
        n = int((targets != IGNORE).sum())
        total += loss.item() * n
        count += n
    return total / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train")
    parser.add_argument("tune")
    parser.add_argument("--vocab", type=int, required=True)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--bptt", type=int, default=100)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--clip", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    order = random.Random(args.seed)
    train, tune = read(args.train, args.vocab), read(args.tune, args.vocab)
    total = sum(len(s) - 1 for s in train)
    model = Model(args.vocab, args.embedding, args.hidden, args.layers, args.dropout)
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.Adam(parameters, lr=args.lr)

    for epoch in range(args.epochs):
        start = time.perf_counter()
        order.shuffle(train)

        def learn(loss, done):
            share = (epoch + done / total) / args.epochs
            for group in adam.param_groups:
                group["lr"] = args.lr * 0.5 * (1 + math.cos(math.pi * share))
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, args.clip)
            adam.step()

        model.train()
        train_loss = passes(model, train, args, learn)
        seconds = time.perf_counter() - start
        model.eval()
        with torch.no_grad():
            tune_loss = passes(model, tune, args, lambda *_: None)
        line = {
            "epoch": epoch,
            "train_loss": train_loss,
            "tune_loss": tune_loss,
            "seconds": round(seconds, 2),
            "calls_per_second": round(total / seconds),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
