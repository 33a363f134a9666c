"""Effective sample size of the proposal's rollouts on held-out items.

usage: ess.py REF.pt PROPOSAL.pt TEST.jsonl OUT.json [--block 16] [--rollouts 8] [--limit 100]

The reference writes an answer at temperature .7. After every block of tokens (a guidance
step, from the bare prompt on) the proposal draws K rollouts of the rest; their weights are
the ratios p_ref/p_small over the rollout's tokens, both at .7; ESS/K = (sum w)^2 / (K sum w^2).
"""

import argparse
import json
import os
import statistics

import torch

from evaluate import HERE
from model import causal_bias, load
from sample import sample
from tokenizer import Tokenizer

TEMPERATURE = .7


@torch.no_grad()
def log_probability(model, prefix, rollouts):
    """Log-probability (fp64 sums) of each rollout after the prefix, at the sampling temperature."""
    longest = max(map(len, rollouts))
    ids = torch.tensor([prefix + r + [0] * (longest - len(r)) for r in rollouts])
    t = ids.shape[1]
    logits = model(ids, bias=causal_bias(t))[:, len(prefix) - 1:-1] / TEMPERATURE
    logp = logits.log_softmax(-1).gather(-1, ids[:, len(prefix):, None])[..., 0].double()
    return torch.stack([row[:len(r)].sum() for row, r in zip(logp, rollouts)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference")
    parser.add_argument("proposal")
    parser.add_argument("test")
    parser.add_argument("out")
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--rollouts", type=int, default=8)
    parser.add_argument("--limit", type=int, default=100)
    a = parser.parse_args()
    torch.set_num_threads(1)
    tok = Tokenizer(os.path.join(HERE, "tokenizer.json"))
    reference, proposal = load(a.reference), load(a.proposal)
    items = [json.loads(line) for line in open(a.test)][:a.limit]
    generator = torch.Generator().manual_seed(1)
    prompts = [tok.prompt(i["question"]) for i in items]
    answers = sample(reference, prompts, 1, TEMPERATURE, 128, tok.eos, generator)
    steps = [(i["level"], at, p + text[:at]) for i, p, (text,) in zip(items, prompts, answers) for at in range(0, len(text), a.block)]
    drawn = sample(proposal, [prefix for *_, prefix in steps], a.rollouts, TEMPERATURE, 128, tok.eos, generator)
    rows = []
    for (level, at, prefix), rollouts in zip(steps, drawn):
        ratio = log_probability(reference, prefix, rollouts) - log_probability(proposal, prefix, rollouts)
        w = (ratio - ratio.max()).exp()
        rows.append((level, at, float(w.sum() ** 2 / (w * w).sum()) / a.rollouts, float(ratio.std())))
    summary = lambda chosen: {"steps": len(chosen), "median ESS/K": round(statistics.median(r[2] for r in chosen), 3),
                              "median sd of log ratio": round(statistics.median(r[3] for r in chosen), 3)}
    result = {"all": summary(rows), "first step": summary([r for r in rows if r[1] == 0]),
              **{f"level {v}": summary([r for r in rows if r[0] == v]) for v in sorted({r[0] for r in rows})},
              "settings": {"block": a.block, "rollouts": a.rollouts, "temperature": TEMPERATURE, "items": len(items)}}
    with open(a.out, "w") as out:
        json.dump(result, out, indent=1)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
