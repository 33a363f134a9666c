"""Distil the proposal from the reference, so that importance weights p_ref/p_small stay even.

The loss is KL(reference || proposal) at the answer's tokens, at the sampling
temperature .7 and at 1. Two runs: the long one on training texts (the reference is
calibrated on them: they stand for its samples at temperature 1, at no sampling cost),
the second on texts drawn at .7, half by the reference and half by the proposal itself,
which show the prefixes that rollouts really reach. Small batches: many updates count
for more than smooth ones in runs as short as these.
"""

import os
import random

import torch

from batches import by_length, causal_batches, pad_causal, pools
from model import build, causal_bias, load, save
from muon import Muon, schedule
from sample import sample_batch
from tokenizer import Tokenizer
from train import Clock
from train_causal import DEVICE, HERE, SLIPS

TEMPERATURE = .7
TOKENS = 1400             # a batch
LEVELS = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}


def divergence(reference, proposal, temperature):
    """Mean KL(reference || proposal) of the two models' token distributions at a temperature."""
    p, q = (reference / temperature).log_softmax(-1), (proposal / temperature).log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean()


def drawn_batches(tok, reference, proposal, seed):
    """Batches of texts drawn by the two models, endlessly; pad_causal's form."""
    rng, generator = random.Random(seed), torch.Generator(device=DEVICE).manual_seed(seed)
    for pool in pools(tok, seed + 1, LEVELS, size=640):
        pool.sort(key=lambda x: len(x[0]))
        for at in range(0, len(pool), 320):
            prompts, texts = [p for p, _ in pool[at:at + 320]], []
            for half, model in ((0, reference), (1, proposal)):
                chosen = prompts[half::2]
                answers = sample_batch(model, chosen, 1, TEMPERATURE, 128, tok.eos, generator)
                texts += zip(chosen, answers)
            for batch in by_length(texts, TOKENS, rng):
                yield pad_causal(tok, batch, 0)


def optimise(a, reference, proposal, batches, rate, path, steps=0):
    """Minimise the divergence until the clock's progress is 1; save the proposal."""
    optimizer, mask = Muon(proposal), causal_bias(512, DEVICE)
    clock = Clock(a.minutes, a.steps, lambda: save(proposal, path, step=steps + clock.step))
    for ids, _, weight in batches:
        if clock.progress() >= 1:
            break
        ids, at = ids.to(DEVICE), weight.to(DEVICE) > 0
        bias = mask[:ids.shape[1], :ids.shape[1]]
        with torch.no_grad():
            target = reference.logits(reference.hidden(ids, bias=bias)[at])
        logits = proposal.logits(proposal.hidden(ids, bias=bias)[at])
        cold = divergence(target, logits, TEMPERATURE)
        (cold + .5 * divergence(target, logits, 1)).backward()
        optimizer.step(rate(clock.progress()))
        clock.tick(cold, ids.numel())
    save(proposal, path, step=steps + clock.step)
    print("done", clock.step, "steps", f"{clock.tokens / 1e6:.2f}M tokens", flush=True)


def run_corpus(a):
    """The long run, on corpus texts: proposal-corpus.pt."""
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    reference, proposal = load(os.path.join(a.out, "ref.pt")).to(DEVICE), build("proposal", len(tok)).to(DEVICE)
    batches = causal_batches(tok, a.seed, LEVELS, TOKENS, question_weight=0, slips=SLIPS)
    optimise(a, reference, proposal, batches, schedule, os.path.join(a.out, "proposal-corpus.pt"))


def run_drawn(a):
    """The second run, on texts drawn by both models: proposal.pt."""
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    reference, proposal = (load(os.path.join(a.out, f"{name}.pt")).to(DEVICE) for name in ("ref", "proposal-corpus"))
    batches = drawn_batches(tok, reference, proposal, a.seed)
    optimise(a, reference, proposal, batches, lambda progress: .25 * (1 - progress), os.path.join(a.out, "proposal.pt"), proposal.notes["step"])
