"""A classifier of right and wrong solutions: the frozen reference with two more blocks and a head.

After its last block the reference knows, at each token, what should come next; only the
blocks above can compare that with what did come, and gather the misses at the end. (The same
layers fine-tuned, without new ones, learned how hard a problem is and little else: AUC .82 over
all solutions, .64 among those of one item, after 1,000 steps.) The head reads the last token, as
llama.cpp's rank pooling does for qwen3. In training it reads every token of the solution: is
it still the right one so far?
usage: train.py verifier (needs ref.pt and verifier-train.jsonl in the output folder, from draw_solutions.py)
"""

import json
import os
import random

import torch
import torch.nn.functional as F

from model import build, causal_bias, load, save
from muon import Muon, schedule
from sample import answer_of, gold
from tokenizer import Tokenizer
from train import Clock
from train_causal import DEVICE, HERE

RIGHT, WRONG = 0, 1


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


def batches(examples, rng, pad, tokens=1750):
    """Endless batches of similar length: ids, rows, columns, classes, weights."""
    while True:
        rng.shuffle(examples)
        for at in range(0, len(examples), 1024):
            part = sorted(examples[at:at + 1024], key=lambda e: len(e[0]))
            size = max(1, tokens // len(part[-1][0]))
            cuts = [part[i:i + size] for i in range(0, len(part), size)]
            rng.shuffle(cuts)
            for cut in cuts:
                longest = max(len(ids) for ids, _ in cut)
                ids = torch.tensor([e + [pad] * (longest - len(e)) for e, _ in cut])
                rows, marks = zip(*[(r, m) for r, (_, ms) in enumerate(cut) for m in ms])
                columns, classes, weights = zip(*marks)
                yield ids, torch.tensor(rows), torch.tensor(columns), torch.tensor(classes), torch.tensor(weights)


def on_top_of(reference, vocab):
    """The reference, frozen, with more blocks and a head on top; the new blocks begin as the identity."""
    model = build("verifier", vocab)
    model.load_state_dict(reference.state_dict(), strict=False)
    for p in [*model.embed.parameters(), *model.blocks[:len(reference.blocks)].parameters()]:
        p.requires_grad_(False)
    for block in model.blocks[len(reference.blocks):]:
        torch.nn.init.zeros_(block.o.weight)
        torch.nn.init.zeros_(block.down.weight)
    torch.nn.init.zeros_(model.classify.weight)
    return model


def run(a):
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    model = on_top_of(load(os.path.join(a.out, "ref.pt")), len(tok)).to(DEVICE)
    drawn = [json.loads(line) for line in open(os.path.join(a.out, "verifier-train.jsonl"))]
    examples = [example(tok, item, text) for item in drawn for text in item["samples"]]
    optimizer = Muon(model, other_rate=2e-3)
    path = os.path.join(a.out, "verifier.pt")
    clock = Clock(a.minutes, a.steps, lambda: save(model, path, step=clock.step))
    mask = causal_bias(512, DEVICE)
    for ids, rows, columns, classes, weights in batches(examples, random.Random(a.seed), tok.pad):
        if clock.progress() >= 1:
            break
        ids, t = ids.to(DEVICE), ids.shape[1]
        logits = model.classify(model.hidden(ids, bias=mask[:t, :t])[rows, columns])
        loss = F.cross_entropy(logits, classes.to(DEVICE), reduction="none")
        loss = (loss * weights.to(DEVICE)).sum() / weights.sum()
        loss.backward()
        optimizer.step(schedule(clock.progress()))
        clock.tick(loss, ids.numel())
    save(model, path, step=clock.step)
    print("done", clock.step, "steps", len(examples), "examples", flush=True)
