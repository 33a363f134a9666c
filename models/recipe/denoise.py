"""Semi-autoregressive denoising of the diffusion model, and its accuracy on the held-out items.

usage: denoise.py MODEL.pt TEST.jsonl OUT.json [--temperature T] [--remask low-confidence|random] [--block 8] [--count 16] [--limit N]
"""

import argparse
import collections
import json
import os
import time

import torch

from evaluate import HERE, table
from masking import BLOCK
from model import load
from sample import answer_of
from tokenizer import Tokenizer


@torch.no_grad()
def denoise(model, prompts, length, temperature, remask, size, tok, generator):
    """Answers (id lists, cut after the end token) to prompts of equal length: one token a step, in blocks of `size`.

    low-confidence: the token that the model gives the highest probability is unmasked first;
    random: the position is drawn uniformly.
    """
    ids = torch.tensor([p + [tok.mask] * length for p in prompts])
    start, alive, done = len(prompts[0]), torch.arange(len(prompts)), {}
    for block in range(start, start + length, size):
        for _ in range(size):
            now = ids[alive]
            states, which = torch.unique(now, dim=0, return_inverse=True)      # samples often agree: one pass for all
            logits = model.logits(model.hidden(states)[:, block - 1:block + size - 1])[which]     # shifted: token i comes from i - 1
            logits[..., tok.mask] = float("-inf")
            probs = logits.softmax(-1)
            if temperature:
                token = torch.multinomial((logits / temperature).softmax(-1).flatten(0, 1), 1, generator=generator).view(len(alive), size)
            else:
                token = logits.argmax(-1)
            rank = probs.gather(-1, token[..., None])[..., 0] if remask == "low-confidence" else torch.rand(token.shape, generator=generator)
            at = rank.masked_fill(now[:, block:block + size] != tok.mask, -1).argmax(-1)
            ids[alive, block + at] = token[torch.arange(len(alive)), at]
        ended = (ids[alive, block:block + size] == tok.eos).any(-1)
        for row in alive[ended].tolist():
            answer = ids[row, start:].tolist()
            done[row] = answer[:answer.index(tok.eos) + 1]
        alive = alive[~ended]
        if len(alive) == 0:
            break
    for row in alive.tolist():
        done[row] = ids[row, start:].tolist()
    return [done[row] for row in range(len(prompts))]


def denoise_all(model, tok, questions, count, length, temperature, remask, size, seed=1, rows=256):
    """`count` answers to every question, batched by prompt length."""
    generator, groups, result = torch.Generator().manual_seed(seed), collections.defaultdict(list), [None] * len(questions)
    for i, q in enumerate(questions):
        prompt = tok.prompt(q)
        groups[len(prompt)].append((i, prompt))
    for _, group in sorted(groups.items()):
        step = max(1, rows // count)
        for at in range(0, len(group), step):
            part = group[at:at + step]
            answers = denoise(model, [p for _, p in part for _ in range(count)], length, temperature, remask, size, tok, generator)
            for j, (i, _) in enumerate(part):
                result[i] = [tok.decode(x) for x in answers[j * count:(j + 1) * count]]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("test")
    parser.add_argument("out")
    parser.add_argument("--temperature", type=float, default=.7)
    parser.add_argument("--remask", default="low-confidence")
    parser.add_argument("--block", type=int, default=BLOCK, help="1 is left to right")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--length", type=int, default=56)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--levels", type=int, default=2)
    a = parser.parse_args()
    torch.set_num_threads(1)
    tok, model = Tokenizer(os.path.join(HERE, "tokenizer.json")), load(a.model)
    items = [i for i in map(json.loads, open(a.test)) if i["level"] <= a.levels][:a.limit]
    begin = time.time()
    texts = denoise_all(model, tok, [i["question"] for i in items], a.count, a.length, a.temperature, a.remask, a.block)
    result = table(items, [[answer_of(t) for t in given] for given in texts])
    result["settings"] = {**vars(a), "seconds": round(time.time() - begin)}
    with open(a.out, "w") as out:
        json.dump(result, out, indent=1)
    for name, row in result.items():
        if "sample" in row:
            print(f"{name:20} n {row['items']:5} sample {row['sample']:.3f} majority {row['majority']:.3f} pass {row['pass']:.3f}")
    print(texts[0][0])


if __name__ == "__main__":
    main()
