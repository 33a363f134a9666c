"""Remake a model, from training to its card: make.py ref|proposal|llada|verifier|test-items [--from STAGE] [--minutes N].

Stages: train, export, verify, evaluate, card. Results go to build/ beside this file, the
GGUF and its card to the folder above. The others start from the reference: from build/ref.pt if
there is one, else from the published mini-gsm-ref.gguf. The verifier also needs build/ref-exact.pt,
the reference before its careless run, and trains it if it is missing.
The number of steps is fixed, so that a remake does the same work on any machine.
Needs Debian's python3-torch, python3-numpy, libopenblas0-pthread and git, and node_modules with node-llama-cpp.
"""

import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.dirname(HERE)
BUILD = os.path.join(HERE, "build")
TEST = os.path.join(MODELS, "mini-gsm-test.jsonl")
STAGES = ["train", "export", "verify", "evaluate", "card"]
STEPS = {"ref-exact": 2091, "ref": 177, "proposal-corpus": 2303, "proposal": 552, "llada-start": 160, "llada": 1400, "verifier": 1000}
RUNS = {"ref": ["ref-exact", "ref"], "proposal": ["proposal-corpus", "proposal"], "llada": ["llada-start", "llada"]}     # else one run of the model's name
# One thread: the models are small. A malloc that keeps big blocks: torch 1.13 gains much from it.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "4294967296",
               "MALLOC_TRIM_THRESHOLD_": "8589934592", "MALLOC_TOP_PAD_": "67108864"}


def python(script, *arguments):
    """Run one script of the recipe; stop the whole make if it fails."""
    command = [sys.executable, os.path.join(HERE, script), *map(str, arguments)]
    print("+", script, *arguments, flush=True)
    if subprocess.run(command, env={**os.environ, **ENVIRONMENT}).returncode:
        sys.exit(f"{script} failed")


def built(name):
    return os.path.join(BUILD, name)


def published(model):
    return os.path.join(MODELS, f"mini-gsm-{model}.gguf")


def need_reference(modules):
    if not os.path.exists(built("ref.pt")):
        python("restore.py", published("ref"), built("ref.pt"), *modules)


def evaluate_stage(model):
    """Write the measurements that the card reads."""
    weights = built(f"{model}.pt")
    if model in ("ref", "proposal"):
        python("evaluate.py", weights, TEST, built(f"{model}-t0.7.json"), "--samples", built(f"{model}-samples.jsonl"))
        python("evaluate.py", weights, TEST, built(f"{model}-t1.json"), "--temperature", 1)
    if model == "proposal":
        python("ess.py", built("ref.pt"), weights, TEST, built("proposal-ess.json"))
    if model == "llada":
        python("denoise.py", weights, TEST, built("llada.json"), "--limit", 200)
    if model == "verifier":
        if not os.path.exists(built("ref-samples.jsonl")):
            python("evaluate.py", built("ref.pt"), TEST, built("ref-t0.7.json"), "--samples", built("ref-samples.jsonl"))
        python("judge.py", weights, built("ref-samples.jsonl"), built("verifier-judge.json"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ref", "proposal", "llada", "verifier", "test-items"])
    parser.add_argument("--from", dest="start", choices=STAGES, default="train")
    parser.add_argument("--minutes", type=float, help="train by the clock, this long a run, instead of the published number of steps")
    parser.add_argument("--node-modules")
    a = parser.parse_args()
    os.makedirs(BUILD, exist_ok=True)
    if a.what == "test-items":
        python("corpus.py", "test", TEST)
        return python("corpus.py", "check", TEST)
    modules = ["--node-modules", a.node_modules] if a.node_modules else []
    stages, weights = STAGES[STAGES.index(a.start):], built(f"{a.what}.pt")
    train = lambda run: python("train.py", run, "--out", BUILD, *(["--minutes", a.minutes] if a.minutes else ["--steps", STEPS[run]]))
    if a.what != "ref":
        need_reference(modules)
    if "train" in stages:
        if a.what == "verifier" and not os.path.exists(built("ref-exact.pt")):
            train("ref-exact")
        if a.what == "verifier" and not os.path.exists(built("verifier-train.jsonl")):
            python("draw_solutions.py", built("ref.pt"), built("verifier-train.jsonl"))
        for run in RUNS.get(a.what, [a.what]):
            train(run)
    if "export" in stages:
        python("export.py", weights, published(a.what), *modules)
    if "verify" in stages:
        python("verify.py", weights, published(a.what), TEST, "--out", built(f"{a.what}-verify.json"), *modules)
    if "evaluate" in stages:
        evaluate_stage(a.what)
    if "card" in stages:
        python("card.py", a.what, BUILD, MODELS)


if __name__ == "__main__":
    main()
