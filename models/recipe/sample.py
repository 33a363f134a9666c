"""Batched sampling from a causal model with a K/V cache, and grading of the samples."""

import re

import torch

from model import Cache


@torch.no_grad()
def sample(model, prompts, count, temperature, max_tokens, eos, generator, rows=320):
    """`count` continuations of every prompt (id lists): a list of lists of id lists, end token included.

    temperature 0 is greedy. Prompts are grouped by length into batches of about `rows` sequences.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    result = [None] * len(prompts)
    step = max(1, rows // count)
    for at in range(0, len(order), step):
        chosen = order[at:at + step]
        texts = sample_batch(model, [prompts[i] for i in chosen], count, temperature, max_tokens, eos, generator)
        for j, i in enumerate(chosen):
            result[i] = texts[j * count:(j + 1) * count]
    return result


def left_padded(prompts, device):
    """ids, positions and score bias of prompts aligned at their ends."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    for row, p in enumerate(prompts):
        ids[row, longest - len(p):] = torch.tensor(p)
    pad = torch.tensor([longest - len(p) for p in prompts])
    positions = (torch.arange(longest) - pad[:, None]).clamp(min=0)
    hidden = torch.arange(longest) < pad[:, None]
    return ids.to(device), positions.to(device), pad.to(device), hidden.to(device)


def sample_batch(model, prompts, count, temperature, max_tokens, eos, generator):
    device = model.embed.weight.device
    ids, positions, pad, hidden = left_padded(prompts, device)
    n, t = ids.shape
    cache = Cache(t + max_tokens)
    future = torch.ones(t, t, dtype=torch.bool, device=device).triu(1)
    # a padded query may see itself, so that no row of the softmax is empty
    blocked = (future | hidden[:, None]) & ~torch.eye(t, dtype=torch.bool, device=device)
    bias = torch.zeros(n, t, t, device=device).masked_fill(blocked, float("-inf"))
    logits = model.logits(model.hidden(ids, positions=positions, bias=bias, cache=cache)[:, -1])
    rows = torch.arange(n, device=device).repeat_interleave(count)
    cache.keep(rows)
    logits, pad = logits[rows], pad[rows]
    alive = list(range(n * count))
    texts = [[] for _ in alive]
    for _ in range(max_tokens):
        if temperature:
            token = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
        else:
            token = logits.argmax(-1)
        going = token != eos
        for i, x in zip(alive, token.tolist()):
            texts[i].append(x)
        if not going.all():
            keep = going.nonzero()[:, 0]
            if len(keep) == 0:
                break
            alive, token, pad = [alive[i] for i in keep.tolist()], token[keep], pad[keep]
            cache.keep(keep)
        end = cache.length + 1
        bias = torch.zeros(len(alive), 1, end, device=device)
        bias.masked_fill_((torch.arange(end, device=device) < pad[:, None])[:, None], float("-inf"))
        logits = model.logits(model.hidden(token[:, None], positions=(cache.length - pad)[:, None], bias=bias, cache=cache)[:, 0])
    return texts


def answer_of(text):
    """The number after the last `####`, or None."""
    found = re.findall(r"#### (-?\d+)", text)
    return int(found[-1]) if found else None


def gold(item):
    return answer_of(item["answer"])
