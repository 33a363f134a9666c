"""Solutions sampled from the reference, for the verifier: draw_solutions.py REF.pt OUT.jsonl [--items N] [--seed S].

Items come from the training side of the corpus; each line holds question, gold answer,
level and the samples (half at temperature .7, half at 1, where errors are commoner).
"""

import argparse
import itertools
import json
import os

import torch

from corpus import LEVELS, train_stream
from model import load
from sample import sample
from tokenizer import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--items", type=int, default=3600)
    parser.add_argument("--seed", type=int, default=77)
    a = parser.parse_args()
    torch.set_num_threads(1)
    tok, model = Tokenizer(os.path.join(HERE, "tokenizer.json")), load(a.model)
    stream, generator = train_stream(a.seed, {level: 1 for level in LEVELS}), torch.Generator().manual_seed(a.seed)
    with open(a.out, "w") as out:
        for _ in range(0, a.items, 600):
            items = list(itertools.islice(stream, 600))
            prompts = [tok.prompt(i["question"]) for i in items]
            drawn = [sample(model, prompts, 2, t, 128, tok.eos, generator) for t in (.7, 1)]
            for item, *texts in zip(items, *drawn):
                samples = [tok.decode(t) for given in texts for t in given]
                out.write(json.dumps({**item, "samples": samples}) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
