"""Training of the diffusion model on the two easy levels, from the reference's weights to masked denoising.

First run (llada-start): the reference in the `llada` layout (convert.py), mended by next-token
training on correct solutions. Second run (llada), the long one: packed and full batches of
masked answers (masking.py) mixed, the full ones, as llama.cpp runs the model, taking over.
Logits are shifted as in Dream and DiffuLLaMA: the state at position i - 1 predicts token i, so
the next-token circuits of the causal weights stay where they are.
"""

import os
import random

import torch

from batches import by_length, pad_causal, pools
from convert import as_llada
from masking import FIRST, full_batch, packed_batch
from model import causal_bias, load, save
from muon import Muon
from tokenizer import Tokenizer
from train import Clock
from train_causal import DEVICE, HERE, optimise

TOKENS = 2500
WEIGHTS = {1: 1, 2: 1.5}                  # of the levels
RATE = .5                                 # of Muon's full rates, at most


def rate(progress, warm=.02, hold=.4):
    """Learning-rate factor of the long run: warm-up, constant, linear decay to zero."""
    return RATE * min(1, (progress + .001) / warm, (1 - progress) / (1 - hold))


def masked_loss(model, ids, positions, bias, targets, weights):
    """Weighted mean cross entropy at the positions that predict a masked token, and their losses."""
    at = weights > 0
    logits = model.logits(model.hidden(ids, positions=positions, bias=bias)[at])
    loss = torch.nn.functional.cross_entropy(logits, targets[at], reduction="none")
    return (loss * weights[at]).sum() / weights[at].sum(), loss.detach()


def batches(tok, seed):
    rng = random.Random(seed)
    for pool in pools(tok, seed, WEIGHTS):
        yield from by_length(pool, TOKENS, rng)


def run_start(a):
    """The first run: llada-start.pt."""
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    made = ([part.to(DEVICE) for part in pad_causal(tok, batch, .1)] for batch in batches(tok, a.seed))
    ids = next(made)[0]
    model = as_llada(load(os.path.join(a.out, "ref.pt")).to(DEVICE), ids, causal_bias(ids.shape[1], DEVICE)).to(DEVICE)
    path = os.path.join(a.out, "llada-start.pt")
    clock = Clock(a.minutes, a.steps, lambda: save(model, path, step=clock.step))
    optimise(model, Muon(model), clock, made, lambda progress: .4 * (1 - progress))
    save(model, path, step=clock.step)


def run(a):
    """The second run: llada.pt; it can be interrupted and resumed, see train.py --resume."""
    tok, path = Tokenizer(os.path.join(HERE, "tokenizer.json")), os.path.join(a.out, "llada.pt")
    model = load(path if a.resume else os.path.join(a.out, "llada-start.pt")).to(DEVICE)
    before = model.notes["before"] if a.resume else model.notes["step"]
    optimizer, first = Muon(model), []
    if a.resume:
        optimizer.resume(model.notes["optimizer"])
    keep = lambda: save(model, path, step=before + clock.step, before=before, optimizer=optimizer.state())
    clock = Clock(a.minutes, a.steps, keep, model.notes["step"] - before if a.resume else 0)
    rng = random.Random(a.seed + clock.step)
    for batch in batches(tok, a.seed + 1 + clock.step):
        progress = clock.progress()
        if progress >= 1:
            break
        full = rng.random() < .35 + .5 * progress
        ids, *rest = [x if x is None else x.to(DEVICE) for x in (full_batch if full else packed_batch)(tok, batch, rng)]
        loss, each = masked_loss(model, ids, *rest)
        loss.backward()
        optimizer.step(rate(progress))
        weights = rest[-1][rest[-1] > 0]
        if full and (weights == FIRST).any():
            first = [*first[-49:], float(each[weights == FIRST].mean())]
        clock.tick(loss, ids.numel(), f"next token in full layout {sum(first) / max(1, len(first)):.3f}")
    keep()
    print("done", clock.step, "steps", f"{clock.tokens / 1e6:.2f}M tokens", flush=True)
