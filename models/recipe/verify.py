"""Compare an exported GGUF in llama.cpp with the trained weights: verify.py MODEL.pt MODEL.gguf TEST.jsonl [--node-modules DIR].

Checks the tokens of prompts and answers, then logits at every position: share of
equal argmax, mean KL, largest difference of log-probabilities. Exits 1 on a miss.
"""

import argparse
import json
import os
import sys

import torch

from export import find_node_modules
from llama_cpp import Engine
from model import causal_bias, load
from tokenizer import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))


def chat(question):
    """The chat template's text, as the engine would be given it."""
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("gguf")
    parser.add_argument("test")
    parser.add_argument("--node-modules")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--out", help="write the result here as JSON, for the card")
    a = parser.parse_args()
    torch.set_num_threads(1)
    tok, model = Tokenizer(os.path.join(HERE, "tokenizer.json")), load(a.model)
    items = [json.loads(line) for line in open(a.test)][:a.count]
    rank = model.shape.labels > 0
    engine = Engine(find_node_modules(a.node_modules), a.gguf, rank)
    if model.shape.arch == "llada" and engine.metadata("diffusion.shift_logits") != "true":
        sys.exit("diffusion.shift_logits is not true: the model would be decoded wrongly")
    same_tokens = positions = same_argmax = 0
    kl = worst = 0.0
    mask = causal_bias(512)
    for n, item in enumerate(items):
        ids = tok.prompt(item["question"]) + tok.encode(item["answer"]) + [tok.eos]
        same_tokens += engine.tokenize(chat(item["question"]) + item["answer"] + "<|im_end|>") == ids
        if model.shape.arch == "llada":     # hide a quarter to all of the answer, as in denoising
            start = len(tok.prompt(item["question"]))
            for at in range(start + (len(ids) - start) * (n % 4) // 4, len(ids)):
                ids[at] = tok.mask
        t = len(ids)
        bias = None if model.shape.arch == "llada" else mask[:t, :t]
        with torch.no_grad():
            hidden = model.hidden(torch.tensor([ids]), bias=bias)[0]
        if rank:
            ours = model.classify(hidden[-1]).log_softmax(-1)[None]
            theirs = torch.tensor(engine.score(ids)).log()[None]
        else:
            ours = model.logits(hidden).detach().log_softmax(-1)
            theirs = torch.tensor(engine.logits(ids)).log_softmax(-1)
        positions += len(ours)
        same_argmax += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
        kl += float((ours.exp() * (ours - theirs)).sum())
        worst = max(worst, float((ours - theirs).abs().max()))
    text = (f"tokens equal {same_tokens}/{len(items)}; argmax equal {same_argmax}/{positions}; "
            f"mean KL {kl / positions:.1e}; largest |log p| difference {worst:.1e}")
    print(text)
    if a.out:
        with open(a.out, "w") as out:
            json.dump({"text": text}, out)
    sys.exit(not (same_tokens == len(items) and same_argmax >= .995 * positions and kl / positions < 1e-3))


if __name__ == "__main__":
    main()
