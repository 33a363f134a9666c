"""Accuracy of a causal model on the held-out items: single samples, majority@16, pass@16, by level.

usage: evaluate.py MODEL.pt TEST.jsonl OUT.json [--temperature T] [--count 16] [--limit N]
"""

import argparse
import collections
import json
import os
import random
import time

import torch

from corpus import careless
from model import load
from sample import answer_of, gold, sample
from tokenizer import Tokenizer
from train_causal import SLIPS

HERE = os.path.dirname(os.path.abspath(__file__))


def plurality(answers):
    """The most frequent answer that is not None; ties go to the first seen."""
    counts = collections.Counter(a for a in answers if a is not None)
    return counts.most_common(1)[0][0] if counts else None


def scores(items, answers):
    """Mean accuracy of one sample, of the plurality and of any, over items with their lists of answers."""
    n = len(items)
    right = [[a == gold(i) for a in given] for i, given in zip(items, answers)]
    return {"items": n,
            "sample": sum(sum(r) / len(r) for r in right) / n,
            "majority": sum(plurality(a) == gold(i) for i, a in zip(items, answers)) / n,
            "pass": sum(map(any, right)) / n}


def table(items, answers):
    """scores() overall, by level and by what was held out."""
    result = {"all": scores(items, answers)}
    for field in ("level", "held_out"):
        for value in sorted({i[field] for i in items}):
            chosen = [k for k, i in enumerate(items) if i[field] == value]
            result[f"{field} {value}"] = scores([items[k] for k in chosen], [answers[k] for k in chosen])
    result["reliability"] = reliability(items, answers)
    return result


def reliability(items, answers, bins=8):
    """Vote share of the plurality answer against how often it is right: (mean share, accuracy, count) per bin."""
    cells = collections.defaultdict(list)
    for i, given in zip(items, answers):
        best = plurality(given)
        share = given.count(best) / len(given) if best is not None else 0
        cells[min(bins - 1, int(share * bins))].append((share, best == gold(i)))
    return [[sum(s for s, _ in c) / len(c), sum(r for _, r in c) / len(c), len(c)] for _, c in sorted(cells.items())]


def token_calibration(model, tok, items, slips, bins=10):
    """Next-token reliability on held-out solutions written with `slips` (corpus.careless; 0: the exact ones).

    Rows of (mean probability of the argmax, how often it is the next token, count).
    """
    rng, cells = random.Random(5), [[0, 0, 0] for _ in range(bins)]
    mask = torch.full((512, 512), float("-inf")).triu(1)
    with torch.no_grad():
        for i in items:
            p, a = tok.prompt(i["question"]), tok.encode(careless(rng, i["answer"], slips)) + [tok.eos]
            ids = torch.tensor([p + a])
            t = ids.shape[1]
            prob, best = model(ids, bias=mask[:t, :t])[0, len(p) - 1:-1].softmax(-1).max(-1)
            for q, ok in zip(prob.tolist(), (best == torch.tensor(a)).tolist()):
                c = cells[min(bins - 1, int(q * bins))]
                c[0] += q
                c[1] += ok
                c[2] += 1
    return [[s / n, r / n, n] for s, r, n in cells if n]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("test")
    parser.add_argument("out")
    parser.add_argument("--temperature", type=float, default=.7)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--samples", help="also write every sample here, one JSON line an item")
    a = parser.parse_args()
    torch.set_num_threads(1)
    tok, model = Tokenizer(os.path.join(HERE, "tokenizer.json")), load(a.model)
    items = [json.loads(line) for line in open(a.test)][:a.limit]
    begin = time.time()
    texts = sample(model, [tok.prompt(i["question"]) for i in items], a.count, a.temperature, 128, tok.eos,
                   torch.Generator().manual_seed(1))
    texts = [[tok.decode(t) for t in given] for given in texts]
    result = table(items, [[answer_of(t) for t in given] for given in texts])
    result["calibration"] = token_calibration(model, tok, items[:400], SLIPS)
    result["settings"] = {"temperature": a.temperature, "count": a.count, "seconds": round(time.time() - begin)}
    with open(a.out, "w") as out:
        json.dump(result, out, indent=1)
    if a.samples:
        with open(a.samples, "w") as out:
            out.writelines(json.dumps({**i, "samples": t}) + "\n" for i, t in zip(items, texts))
    for name, row in result.items():
        if "sample" in row:
            print(f"{name:20} n {row['items']:5} sample {row['sample']:.3f} majority {row['majority']:.3f} pass {row['pass']:.3f}")
    print("calibration", [[round(p, 2), round(r, 2), n] for p, r, n in result["calibration"]], result["settings"])


if __name__ == "__main__":
    main()
