"""A classifier of right and wrong solutions: the exact reference, frozen, with two more blocks and a head.

The exact reference (before its careless run) knows at each token what should come next. The first
new block learns to look back at that and judge the token that did come: a probe, which is not
exported, holds it to the reference's own probability of the token. The second gathers the misses.
The head reads the last token, as llama.cpp's rank pooling does for qwen3; in training it reads
every token of the solution: is it still the right one so far?
usage: train.py verifier (needs ref-exact.pt and verifier-train.jsonl in the output folder, from draw_solutions.py)
"""

import itertools
import json
import os
import random

import torch
import torch.nn.functional as F

from batches import by_length
from corpus import LEVELS, careless, train_stream
from model import RMSNorm, build, causal_bias, load, save
from muon import Muon, schedule
from sample import answer_of, gold
from tokenizer import Tokenizer
from train import Clock
from train_causal import DEVICE, HERE, SLIPS

RIGHT, WRONG = 0, 1
QUIETER = 20


def example(tok, item, text):
    """(ids, [(position, class, weight)]) of one sampled solution.

    Every answer token is marked: right as long as the text is the true solution's, wrong from the
    first token on that is not. The last token, which is what counts, has the final answer's class.
    """
    prompt, ids, truth = tok.prompt(item["question"]), tok.encode(text), tok.encode(item["answer"])
    label = RIGHT if answer_of(text) == gold(item) else WRONG
    same = next((n for n, (x, y) in enumerate(zip(ids, truth)) if x != y), min(len(ids), len(truth)))
    marks = [(len(prompt) + n, RIGHT if n < same else WRONG, .1) for n in range(len(ids))]
    return prompt + ids + [tok.eos], marks + [(len(prompt) + len(ids), label, 2.0)]


def pools(tok, drawn, seed, size=512):
    """Lists of examples, endlessly: half of them solutions drawn by the reference, half fresh careless ones."""
    rng = random.Random(seed)
    stream = train_stream(seed + 500, {level: 1 for level in LEVELS})
    while True:
        rng.shuffle(drawn)
        for at in range(0, len(drawn) - size + 1, size):
            fresh = [example(tok, item, careless(rng, item["answer"], SLIPS)) for item in itertools.islice(stream, size)]
            yield drawn[at:at + size] + fresh


def batches(tok, drawn, seed, tokens=2500):
    """Endless batches of similar length: ids, rows, columns, classes, weights."""
    rng = random.Random(seed)
    for pool in pools(tok, drawn, seed):
        for batch in by_length(pool, tokens, rng, lambda e: len(e[0])):
            longest = max(len(ids) for ids, _ in batch)
            ids = torch.tensor([e + [tok.pad] * (longest - len(e)) for e, _ in batch])
            rows, marks = zip(*[(r, m) for r, (_, ms) in enumerate(batch) for m in ms])
            columns, classes, weights = zip(*marks)
            yield ids, torch.tensor(rows), torch.tensor(columns), torch.tensor(classes), torch.tensor(weights)


@torch.no_grad()
def on_top_of(reference, vocab):
    """The reference, frozen, with more blocks and a head on top.

    Its residual stream has grown to a norm of 1,500, where new blocks would not be heard. Blocks
    norm what they read, so scaling all that is written to the stream changes nothing else.
    """
    model = build("verifier", vocab)
    model.load_state_dict(reference.state_dict(), strict=False)
    for p in [*model.embed.parameters(), *model.blocks[:-2].parameters()]:
        p.requires_grad_(False)
    for p in [model.embed.weight, *(w for b in model.blocks[:-2] for w in (b.o.weight, b.down.weight))]:
        p.div_(QUIETER)
    for block in model.blocks[-2:]:
        for part, factor in ((block.v, 3), (block.o, 3), (block.down, 10)):
            part.weight.mul_(factor)
    torch.nn.init.zeros_(model.classify.weight)
    return model


@torch.no_grad()
def look_back(block, states, fast=4, sharpness=3):
    """Begin with every head of a block on the token before, whatever the tokens are.

    Queries and keys are one fixed vector each, on the `fast` quickest frequencies; the query is
    turned back by one position. `states` (tokens, width) are normed inputs of the block: the
    vectors are scaled by a direction in which all of these are positive.
    """
    s = block.s
    always = torch.linalg.lstsq(states, torch.ones(len(states), 1, device=states.device)).solution[:, 0]
    angle = 10000.0 ** (-torch.arange(0, s.head, 2).float() / s.head)
    on = (torch.arange(s.head // 2) < fast).float()
    query, key = torch.cat((angle.cos() * on, -angle.sin() * on)), torch.cat((on, 0 * on))
    for part, vector, heads in ((block.q, query, s.heads), (block.k, key, s.kv_heads)):
        part.weight.copy_(torch.outer(vector.repeat(heads).to(always.device), always))
    for norm in (block.q_norm, block.k_norm):
        norm.weight.fill_(sharpness)


@torch.no_grad()
def frozen(model, ids):
    """States after the frozen blocks, and what a block needs besides: RoPE tables, bias, no cache."""
    t = ids.shape[1]
    given = (model.cos[:t], model.sin[:t], causal_bias(t, ids.device), None)
    x = model.embed(ids)
    for block in model.blocks[:-2]:
        x = block(x, *given)
    return x, *given


def losses(model, reference, probe, ids, rows, columns, classes, weights):
    """Cross entropy of the head at the marked tokens, and of the probe against the reference's probabilities."""
    look, gather = model.blocks[-2:]
    x, *given = frozen(model, ids)
    with torch.no_grad():
        likely = reference.logits(reference.norm(x))[rows, columns - 1].softmax(-1)
        likely = likely.gather(-1, ids[rows, columns][:, None])[:, 0]
    x = look(x, *given)
    # misses are rare, and what matters
    local = F.binary_cross_entropy_with_logits(probe(x[rows, columns])[:, 0], likely, weight=1 + 9 * (1 - likely))
    x = model.norm(gather(x, *given))
    loss = F.cross_entropy(model.classify(x[rows, columns]), classes, reduction="none")
    return (loss * weights).sum() / weights.sum(), local


def run(a):
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    reference = load(os.path.join(a.out, "ref-exact.pt")).to(DEVICE)
    model = on_top_of(reference, len(tok)).to(DEVICE)
    probe = torch.nn.Sequential(RMSNorm(model.shape.width), torch.nn.Linear(model.shape.width, 1)).to(DEVICE)
    items = [json.loads(line) for line in open(os.path.join(a.out, "verifier-train.jsonl"))]
    drawn = [example(tok, item, text) for item in items for text in item["samples"]]
    states = model.blocks[-2].attn_norm(frozen(model, torch.tensor([ids[:80] for ids, _ in drawn[:64] if len(ids) >= 80], device=DEVICE))[0]).flatten(0, 1)
    look_back(model.blocks[-2], states)
    optimizer = Muon(torch.nn.ModuleDict({"blocks": model.blocks, "norm": model.norm, "classify": model.classify, "probe": probe}), other_rate=2e-3)
    path, recent = os.path.join(a.out, "verifier.pt"), []
    clock = Clock(a.minutes, a.steps, lambda: save(model, path, step=clock.step))
    for batch in batches(tok, drawn, a.seed):
        if clock.progress() >= 1:
            break
        loss, local = losses(model, reference, probe, *(x.to(DEVICE) for x in batch))
        (loss + local).backward()
        optimizer.step(schedule(clock.progress()))
        recent = [*recent[-99:], float(local.detach())]
        clock.tick(loss, batch[0].numel(), f"probe {sum(recent) / len(recent):.4f}")
    save(model, path, step=clock.step)
    print("done", clock.step, "steps", len(drawn), "drawn solutions", flush=True)
