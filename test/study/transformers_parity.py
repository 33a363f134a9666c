"""Scores texts with transformers in single precision, with the weights of a GGUF file.

    transformers_parity.py MODEL.gguf TEXTS.json    (from parity.study.ts)

Prints as JSON how log-probabilities differ, and by how much the two most probable tokens differ
where the models disagree which is the first.
"""
import json
import os
import statistics
import sys

import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)


def main(path: str, given: str) -> None:
    with open(given, encoding="utf8") as file:
        data = json.load(file)
    model = AutoModelForCausalLM.from_pretrained(
        os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32
    ).eval()
    half = data["half"]
    differences, gaps = [], []
    for text, tops in zip(data["texts"], data["tops"]):
        tokens = torch.tensor(text["tokens"])
        with torch.no_grad():
            logits = model(tokens[None]).logits[0, half - 1 : -1].double()
        log_probs = torch.log_softmax(logits, -1)
        theirs = log_probs.gather(1, tokens[half:, None])[:, 0]
        differences += (torch.tensor(text["logProbs"], dtype=torch.double) - theirs).tolist()
        for row, top in zip(log_probs, tops):
            gaps.append((row.max() - row[top]).item())
    sizes = sorted(abs(d) for d in differences)
    result = {
        "tokens": len(differences),
        "meanDifference": statistics.mean(differences),
        "medianSize": statistics.median(sizes),
        "percentile95": sizes[int(0.95 * len(sizes))],
        "largest": sizes[-1],
        "otherTops": sum(gap > 0 for gap in gaps),
        "largestGap": max(gaps),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
