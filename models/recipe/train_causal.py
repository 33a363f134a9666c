"""Next-token training of the reference: a long run on correct solutions, then a short one on careless ones.

The second run is what makes guidance worth studying on the model: without it nearly all
errors of the trained model are the same in every sample, and a vote cannot mend them.
"""

import os

import torch
import torch.nn.functional as F

from batches import causal_batches
from model import build, causal_bias, load, save
from muon import Muon, schedule
from tokenizer import Tokenizer
from train import Clock

HERE = os.path.dirname(os.path.abspath(__file__))
SLIPS = .15          # rate of wrong steps in the second run
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def level_weights(progress):
    """Shares of the levels: the easy ones lead for the first tenth, then all count alike."""
    if progress < .1:
        return {1: 4, 2: 3, 3: 2, 4: 1, 5: 1}
    return {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}


def weighted_loss(logits, targets, weight):
    """Mean cross entropy over tokens, weighted."""
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return (loss * weight.flatten()).sum() / weight.sum()


def optimise(model, optimizer, clock, batches, rate):
    """Train until the clock's progress is 1; rate maps progress to the learning-rate factor."""
    mask = causal_bias(512, DEVICE)
    for ids, targets, weight in batches:
        if clock.progress() >= 1:
            break
        ids, targets, weight = ids.to(DEVICE), targets.to(DEVICE), weight.to(DEVICE)
        t = ids.shape[1]
        loss = weighted_loss(model(ids, bias=mask[:t, :t]), targets, weight)
        loss.backward()
        optimizer.step(rate(clock.progress()))
        clock.tick(loss, ids.numel(), f"length {t}")
    print("done", clock.step, "steps", f"{clock.tokens / 1e6:.2f}M tokens", flush=True)


def run(a):
    """The long run, on correct solutions only: ref-exact.pt."""
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    model = build("ref", len(tok)).to(DEVICE)
    path = os.path.join(a.out, "ref-exact.pt")
    clock = Clock(a.minutes, a.steps, lambda: save(model, path, step=clock.step))
    batches = causal_batches(tok, a.seed, lambda: level_weights(clock.progress()))
    optimise(model, Muon(model), clock, batches, schedule)
    save(model, path, step=clock.step)


def run_careless(a):
    """A short second run on solutions with slips (corpus.careless): ref.pt."""
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    model = load(os.path.join(a.out, "ref-exact.pt")).to(DEVICE)
    path = os.path.join(a.out, "ref.pt")
    clock = Clock(a.minutes, a.steps, lambda: save(model, path, step=clock.step))
    batches = causal_batches(tok, a.seed + 100, level_weights(1), slips=SLIPS)
    optimise(model, Muon(model), clock, batches, lambda progress: .3 * (1 - progress))
    save(model, path, step=model.notes.get("step", 0) + clock.step)
