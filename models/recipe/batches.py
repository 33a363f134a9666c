"""Padded batches of similar length from the endless stream of training items."""

import random

import torch

from corpus import train_stream


def encoded(tok, item):
    """(prompt ids, answer ids with the end token) of an item."""
    return tok.prompt(item["question"]), tok.encode(item["answer"]) + [tok.eos]


def pools(tok, seed, weights, size=1536, slips=0):
    """Lists of encoded items, endlessly; `weights` may be a function called before each pool."""
    n = 0
    while True:
        stream = train_stream(seed * 1_000_003 + n, weights() if callable(weights) else weights, slips)
        yield [encoded(tok, next(stream)) for _ in range(size)]
        n += 1


def by_length(pool, tokens, rng, size=lambda x: len(x[0]) + len(x[1])):
    """Cut a pool, sorted by length, into batches of at most `tokens` padded tokens; random order."""
    batches, batch = [], []
    for x in sorted(pool, key=size):
        if batch and size(x) * (len(batch) + 1) > tokens:
            batches.append(batch)
            batch = []
        batch.append(x)
    batches.append(batch)
    rng.shuffle(batches)
    return batches


def causal_batches(tok, seed, weights, tokens=3500, question_weight=.1, slips=0):
    """(ids, targets, weights) for next-token training: the answer counts 1, the question a tenth."""
    rng = random.Random(seed)
    for pool in pools(tok, seed, weights, slips=slips):
        for batch in by_length(pool, tokens, rng):
            yield pad_causal(tok, batch, question_weight)


def pad_causal(tok, batch, question_weight):
    longest = max(len(p) + len(a) for p, a in batch)
    ids = torch.full((len(batch), longest), tok.pad)
    weight = torch.zeros(len(batch), longest)
    for row, (p, a) in enumerate(batch):
        ids[row, :len(p) + len(a)] = torch.tensor(p + a)
        weight[row, :len(p)] = question_weight
        weight[row, len(p):len(p) + len(a)] = 1
    return ids[:, :-1], ids[:, 1:], weight[:, 1:]
