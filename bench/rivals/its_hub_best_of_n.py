"""Runs its-hub's best-of-n for the benchmark: a request a line on stdin, an answer a line on stdout.

    its_hub_best_of_n.py    (from bench/rivals.mjs; needs its-hub, aiohttp, backoff and certifi)

Its particle filter asks servers to continue an answer (vLLM's `continue_final_message`), and isn't run.
"""
import asyncio
import json
import os
import sys
import time

os.environ.setdefault("NO_PROXY", "127.0.0.1")

from its_hub.api import AbstractOutcomeRewardModel
from its_hub.core.algorithms.bon import BestOfN
from its_hub.core.lms.openai_lm import OpenAICompatibleLanguageModel
from promises import promise


class Worth(AbstractOutcomeRewardModel):
    def __init__(self, asked):
        self.asked = asked

    def score(self, messages, **_):
        texts = [conversation[-1].extract_text_content() for conversation in messages]
        return [promise(self.asked, text, True) for text in texts]

    async def ascore(self, messages, orchestrator=None, **_):
        return self.score(messages)


async def run(request):
    lm = OpenAICompatibleLanguageModel(
        endpoint=request["endpoint"],
        api_key="none",
        model_name=request["model"],
        temperature=request["temperature"],
        max_completion_tokens=request["maxTokens"],
    )
    # Otherwise it would send an `extra_body`, which only vLLM accepts.
    lm.endpoint_type = "openai"
    began = time.process_time()
    algorithm = BestOfN(Worth(request["asked"]))
    result = await algorithm.ainfer(lm, request["prompt"], request["particles"], False)
    cpu = time.process_time() - began
    await lm.close()
    text = result.the_one["content"]
    return {"text": text, "tokens": result.usage.completion_tokens, "cpu": cpu}


def main():
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        try:
            answer = asyncio.run(run(json.loads(line)))
        except Exception as error:  # an error of one request must not end the study
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), flush=True)


main()
