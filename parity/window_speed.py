"""Times PyTorch on the original's window network: the counterpart of idiolect-nn's example `window`.

    python window_speed.py [EPOCHS] [THREADS] [WINDOWS]

The same shapes: 341 calls, LSTM layers of 64, 256 and 100, dropout of 0.2 after each, windows of 19 random
calls, batches of 50, RMSprop with Keras' rho. The input is one-hot, as the original's is, since nn.LSTM has
no other way to read calls without an embedding.
"""

import sys
import time

import torch
from torch import nn

VOCAB, WINDOW, BATCH, HIDDEN, DROPOUT = 341, 19, 50, [64, 256, 100], 0.2


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [VOCAB, *HIDDEN]
        self.layers = nn.ModuleList(
            nn.LSTM(i, o, batch_first=True) for i, o in zip(widths, widths[1:])
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.output = nn.Linear(HIDDEN[-1], VOCAB)

    def forward(self, tokens):
        x = nn.functional.one_hot(tokens, VOCAB).float()
        for layer in self.layers[:-1]:
            x = self.dropout(layer(x)[0])
        x = self.layers[-1](x)[0][:, -1]
        return self.output(self.dropout(x))


def main():
    arguments = [int(a) for a in sys.argv[1:]]
    epochs, threads, windows = (arguments + [3, 2, 19_283][len(arguments) :])[:3]
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    calls = torch.randint(VOCAB, (windows + WINDOW,))
    cut = calls.unfold(0, WINDOW + 1, 1)
    model = Model()
    optimiser = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    for epoch in range(epochs):
        start, sum_of_losses = time.perf_counter(), 0.0
        for batch in torch.randperm(windows).split(BATCH):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(cut[batch, :-1]), cut[batch, -1])
            loss.backward()
            optimiser.step()
            sum_of_losses += loss.item() * len(batch)
        seconds = time.perf_counter() - start
        print(
            f"epoch {epoch}: loss {sum_of_losses / windows:.4f}, {seconds:.2f} s, "
            f"{windows / seconds:.0f} windows/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
