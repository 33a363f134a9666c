"""Training of the diffusion model on the two easy levels, from causal weights to masked denoising.

First run (llada-start), three stages under one learning-rate schedule: next-token prediction
(the arithmetic is learned fastest there), packed block diffusion (masked queries on causal
context, a loss on every block of every text), full bidirectional attention as llama.cpp runs it.
Second run (llada), the long one: packed and full batches mixed, at the end full ones only.
"""

import os
import random

import torch

from batches import by_length, pad_causal, pools
from masking import full_batch, packed_batch
from model import build, causal_bias, load, save
from muon import Muon, schedule
from tokenizer import Tokenizer
from train import Clock
from train_causal import DEVICE, HERE, weighted_loss

CAUSAL_UNTIL, PACKED_UNTIL = .2, .48      # stages of the first run
PACKED_SHARE = .6                         # of the second run's batches up to half of it, falling to 0 at .7
TOKENS = 2000
WEIGHTS = {1: 1, 2: 1}                    # of the levels


def masked_loss(model, ids, positions, bias, targets, weights):
    """Weighted mean cross entropy at the masked positions."""
    at = weights > 0
    logits = model.logits(model.hidden(ids, positions=positions, bias=bias)[at])
    loss = torch.nn.functional.cross_entropy(logits, targets[at], reduction="none")
    return (loss * weights[at]).sum() / weights[at].sum()


def start_layout(progress, rng):
    """Which layout the first run's next batch has; around the change of layout both are mixed."""
    if progress < CAUSAL_UNTIL:
        return "causal"
    return "packed" if rng.random() < (PACKED_UNTIL + .05 - progress) / .1 else "full"


def layout(progress, rng):
    """Which layout the second run's next batch has."""
    return "packed" if rng.random() < PACKED_SHARE * min(1, (.7 - progress) / .2) else "full"


def optimise(a, model, optimizer, clock, choose, rate):
    """Train until the clock's progress is 1."""
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    rng, mask = random.Random(a.seed + clock.step), causal_bias(512, DEVICE)
    move = lambda xs: [x if x is None else x.to(DEVICE) for x in xs]
    for pool in pools(tok, a.seed + clock.step, WEIGHTS):
        for batch in by_length(pool, TOKENS, rng):
            progress = clock.progress()
            if progress >= 1:
                print("done", clock.step, "steps", f"{clock.tokens / 1e6:.2f}M tokens", flush=True)
                return
            kind = choose(progress, rng)
            if kind == "causal":
                ids, targets, weight = move(pad_causal(tok, batch, .1))
                t = ids.shape[1]
                loss = weighted_loss(model(ids, bias=mask[:t, :t]), targets, weight)
            else:
                ids, *rest = move((packed_batch if kind == "packed" else full_batch)(tok, batch, rng))
                loss = masked_loss(model, ids, *rest)
            loss.backward()
            optimizer.step(rate(progress))
            clock.tick(loss, ids.numel(), kind)


def run_start(a):
    """The first run: llada-start.pt."""
    model = build("llada", len(Tokenizer(os.path.join(HERE, "tokenizer.json")))).to(DEVICE)
    path = os.path.join(a.out, "llada-start.pt")
    clock = Clock(a.minutes, a.steps, lambda: save(model, path, step=clock.step))
    optimise(a, model, Muon(model), clock, start_layout, lambda progress: schedule(progress, hold=PACKED_UNTIL))
    save(model, path, step=clock.step)


def run(a):
    """The second run: llada.pt; it can be interrupted and resumed, see train.py --resume."""
    path = os.path.join(a.out, "llada.pt")
    model = load(path if a.resume else os.path.join(a.out, "llada-start.pt")).to(DEVICE)
    before = model.notes["before"] if a.resume else model.notes["step"]
    optimizer = Muon(model)
    if a.resume:
        optimizer.resume(model.notes["optimizer"])
    keep = lambda: save(model, path, step=before + clock.step, before=before, optimizer=optimizer.state())
    clock = Clock(a.minutes, a.steps, keep, model.notes["step"] - before if a.resume else 0)
    optimise(a, model, optimizer, clock, layout, lambda progress: schedule(progress, hold=.5))
    keep()
