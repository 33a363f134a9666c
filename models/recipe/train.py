"""Train one model: train.py ref-exact|ref|proposal-corpus|proposal|llada-start|llada|verifier [--minutes N] [--out DIR].

The schedule runs on wall-clock share, so that a given budget always ends with the
learning rate at zero; --steps N in its place makes a run reproducible. A checkpoint
is written every two minutes. Uses the GPU if there is one.
"""

import argparse
import os
import time

import torch


class Clock:
    """Progress from 0 to 1 by steps or by minutes, with a log line every so often."""

    def __init__(self, minutes, steps, save, step=0):
        self.minutes, self.steps, self.save = minutes, steps, save
        self.begin, self.step, self.tokens, self.losses = time.time(), step, 0, []
        self.logged = self.saved = self.begin

    def progress(self):
        return self.step / self.steps if self.steps else (time.time() - self.begin) / (60 * self.minutes)

    def tick(self, loss, tokens, note=""):
        self.step += 1
        self.tokens += tokens
        self.losses.append(float(loss.detach()))
        now = time.time()
        if now - self.logged > 15:
            recent = self.losses[-100:]
            print(f"step {self.step} progress {self.progress():.3f} loss {sum(recent) / len(recent):.4f} "
                  f"tokens {self.tokens / 1e6:.2f}M rate {self.tokens / (now - self.begin):.0f}/s {note}", flush=True)
            self.logged = now
        if now - self.saved > 120:
            self.save()
            self.saved = now


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["ref-exact", "ref", "proposal-corpus", "proposal", "llada-start", "llada", "verifier"])
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--out", default="build")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true",
                        help="llada: go on from the last checkpoint; fewer --steps than before bring the rate down sooner")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    os.makedirs(a.out, exist_ok=True)
    if a.model == "ref-exact":
        from train_causal import run
    elif a.model == "ref":
        from train_causal import run_careless as run
    elif a.model == "proposal-corpus":
        from distill import run_corpus as run
    elif a.model == "proposal":
        from distill import run_drawn as run
    elif a.model == "llada-start":
        from train_diffusion import run_start as run
    elif a.model == "llada":
        from train_diffusion import run
    else:
        from train_verifier import run
    run(a)


if __name__ == "__main__":
    main()
