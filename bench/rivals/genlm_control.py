"""Runs genlm-control for the benchmark: a request a line on stdin, an answer a line on stdout.

    genlm_control.py MODEL.gguf CACHE    (from bench/rivals.mjs; needs genlm-control, gguf and accelerate)

The weights are those of the file, in single precision: CACHE keeps them in transformers' form, since reading
the file takes minutes. Prompts are given as token ids. CPU seconds leave out the model's loading and the
making of constraints.
"""
import asyncio
import json
import os
import random
import sys
import time
import warnings

import numpy as np
import torch
from genlm.backend.llm import AsyncTransformer
from genlm.control import AWRS, BoolFSA, JsonSchema, Potential, PromptedLLM, direct_token_sampler
from promises import promise
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

warnings.filterwarnings("ignore")
torch.set_num_threads(1)


class Promise(Potential):
    """What a beginning or a whole text is worth, as a log weight."""

    def __init__(self, vocabulary, asked, scale):
        super().__init__(vocabulary)
        self.asked, self.scale = asked, scale

    def worth(self, context, is_whole):
        text = b"".join(context).decode("utf8", "ignore")
        return promise(self.asked, text, is_whole) / self.scale

    async def prefix(self, context):
        return self.worth(context, False)

    async def complete(self, context):
        return self.worth(context, True)


def load(path, cache):
    weights = os.path.join(cache, "weights.pt")
    if not os.path.exists(weights):
        folder, name = os.path.dirname(path), os.path.basename(path)
        AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(cache)
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
        config = json.loads(model.config.to_json_string())
        torch.save({"config": config, "weights": model.state_dict()}, weights)
    kept = torch.load(weights, weights_only=True)
    kept["config"].pop("quantization_config", None)
    config = AutoConfig.for_model(**kept["config"])
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(kept["weights"])
    # The timeout is short because the queries of all particles come at once.
    tokenizer = AutoTokenizer.from_pretrained(cache)
    return AsyncTransformer(model.eval(), tokenizer, batch_size=64, timeout=0.001)


class Runner:
    def __init__(self, path, cache):
        self.llm = load(path, cache)
        self.policy = None
        self.conditions = {}

    def condition_of(self, request):
        """The constraint over the model's tokens; it is made once."""
        key = request.get("regex") or json.dumps(request.get("schema"))
        if key not in self.conditions:
            if "regex" in request:
                condition = BoolFSA.from_regex(request["regex"])
            else:
                condition = JsonSchema(request["schema"])
            self.conditions[key] = condition.coerce(self.policy, f=b"".join)
        return self.conditions[key]

    async def run(self, request):
        if self.policy is None:
            ends = [end.encode() for end in request["ends"]]
            self.policy = PromptedLLM(
                self.llm, request["prompt"], eos_byte_strings=ends, temperature=request["temperature"]
            )
        policy = self.policy
        policy.prompt_ids = request["prompt"]
        seed = request["seed"]
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        if "regex" in request or "schema" in request:
            sampler = AWRS(policy, self.condition_of(request), seed=seed)
        else:
            sampler = direct_token_sampler(policy)
        critic = None
        if request.get("asked"):
            critic = Promise(policy.vocab, request["asked"], request["lambda"])
        tokens = 0
        sample = sampler.sample

        async def counted(context, **options):
            nonlocal tokens
            tokens += 1
            return await sample(context, **options)

        sampler.sample = counted
        self.llm.clear_cache()
        began = time.process_time()
        self.llm.cache_kv(request["prompt"])
        found = await sampler.smc(
            n_particles=request["particles"],
            ess_threshold=0.5,
            max_tokens=request["maxTokens"],
            critic=critic,
            resampling_method="systematic",
        )
        cpu = time.process_time() - began
        texts = []
        for context, weight in found:
            if weight == -np.inf:
                continue
            # The library forces an end token after a text that was cut off.
            log_prob = await policy.complete(context[:-1])
            text = b"".join(context[:-1]).decode("utf8", "replace")
            texts.append({"text": text, "logWeight": float(weight), "logProb": float(log_prob)})
        log_z = float(found.log_ml)
        return {
            "texts": texts,
            "logNormaliser": log_z if np.isfinite(log_z) else None,
            "tokens": tokens,
            "cpu": cpu,
        }


async def main():
    runner = Runner(sys.argv[1], sys.argv[2])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        try:
            answer = await runner.run(json.loads(line))
        except Exception as error:  # an error of one request must not end the study
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
