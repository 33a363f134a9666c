"""AUC of the verifier on sampled solutions of held-out items: judge.py VERIFIER.pt SAMPLES.jsonl OUT.json [--limit N].

SAMPLES.jsonl is evaluate.py's --samples file. Reports the AUC over all solutions, its mean
within items that have both right and wrong ones, and the accuracy of the best-judged of 16.
"""

import argparse
import json
import os

import torch

from evaluate import HERE
from model import causal_bias, load
from sample import answer_of, gold
from tokenizer import Tokenizer


def auc(scores, right):
    """Probability that a right solution scores above a wrong one (ties half)."""
    ranks = sorted(zip(scores, right))
    wins = wrong = 0
    at = 0
    while at < len(ranks):
        end = at
        while end < len(ranks) and ranks[end][0] == ranks[at][0]:
            end += 1
        good = sum(r for _, r in ranks[at:end])
        bad = end - at - good
        wins += good * (wrong + bad / 2)
        wrong += bad
        at = end
    total = sum(right) * (len(right) - sum(right))
    return wins / total if total else None


@torch.no_grad()
def judge(model, tok, item):
    """Probability of `right` for each distinct sample of an item."""
    distinct = sorted(set(item["samples"]), key=len)
    ids = [tok.prompt(item["question"]) + tok.encode(t) + [tok.eos] for t in distinct]
    longest = max(map(len, ids))
    padded = torch.tensor([x + [tok.pad] * (longest - len(x)) for x in ids])
    hidden = model.hidden(padded, bias=causal_bias(longest))
    last = hidden[torch.arange(len(ids)), torch.tensor([len(x) - 1 for x in ids])]
    found = dict(zip(distinct, model.classify(last).softmax(-1)[:, 0].tolist()))
    return [found[t] for t in item["samples"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("samples")
    parser.add_argument("out")
    parser.add_argument("--limit", type=int, default=500)
    a = parser.parse_args()
    torch.set_num_threads(1)
    tok, model = Tokenizer(os.path.join(HERE, "tokenizer.json")), load(a.model)
    items = [json.loads(line) for line in open(a.samples)][:a.limit]
    scores, right, within, best = [], [], [], 0
    for item in items:
        s, r = judge(model, tok, item), [answer_of(t) == gold(item) for t in item["samples"]]
        scores, right = scores + s, right + r
        best += r[max(range(len(s)), key=s.__getitem__)]
        if 0 < sum(r) < len(r):
            within.append(auc(s, r))
    result = {"solutions": len(scores), "AUC": round(auc(scores, right), 4), "AUC within items": round(sum(within) / len(within), 4),
              "sample": round(sum(right) / len(right), 4), "best judged of 16": round(best / len(items), 4)}
    with open(a.out, "w") as out:
        json.dump(result, out, indent=1)
    print(result)


if __name__ == "__main__":
    main()
