"""Noisy batches for block-wise masked diffusion: answers in blocks of 8, filled up with end tokens.

Decoding is semi-autoregressive: blocks left to right, within a block the most
confident token first, which mostly means left to right too. So training masks half
of the time the tail of a block (the states decoding really visits) and else a random
part of it.

Two layouts teach the same task:
packed   [prompt | clean blocks | noisy copy]: every noisy block sees the prompt, the
         clean blocks before it and itself. One pass gives a loss on all blocks: cheap.
full     [prompt | answer]: one block is noisy, everything after it masked, everything
         sees everything: what llama.cpp's `llada` graph computes, and what decoding needs.
"""

import torch

BLOCK = 8
LONGEST = 64          # answers are filled up to a multiple of BLOCK, at most this


def fill(answer, eos, rng=None):
    """The answer with end tokens up to whole blocks; with rng sometimes a few blocks more."""
    length = -(-len(answer) // BLOCK) * BLOCK
    if rng is not None and rng.random() < .5:
        length = rng.randrange(length, LONGEST + 1, BLOCK)
    return answer + [eos] * (length - len(answer))


def noise(rng):
    """Weights of a block's positions: 0 stays visible, else masked with that weight in the loss."""
    count = rng.randint(1, BLOCK)
    if rng.random() < .5:
        return [0] * (BLOCK - count) + [3] + [1] * (count - 1)
    hidden = rng.sample(range(BLOCK), count)
    return [int(i in hidden) for i in range(BLOCK)]


def packed_batch(tok, batch, rng):
    """ids, positions, score bias, targets, weights of the packed layout."""
    rows = []
    for prompt, answer in batch:
        text = fill(answer, tok.eos)
        weights = [w for _ in range(len(text) // BLOCK) for w in noise(rng)]
        noisy = [tok.mask if w else t for t, w in zip(text, weights)]
        clean = text[:-BLOCK]       # nothing looks at the last clean block
        at = list(range(len(prompt), len(prompt) + len(text)))
        block = [i // BLOCK for i in range(len(text))]
        rows.append((prompt + clean + noisy,
                     list(range(len(prompt))) + at[:len(clean)] + at,
                     [0] * len(prompt) + [1] * len(clean) + [2] * len(text),
                     [-1] * len(prompt) + block[:len(clean)] + block,
                     [0] * (len(prompt) + len(clean)) + text,
                     [0] * (len(prompt) + len(clean)) + weights))
    longest = max(len(r[0]) for r in rows)
    padding = (tok.pad, 0, 3, -2, 0, 0)
    ids, positions, kind, block, targets, weights = (
        torch.tensor([r[f] + [padding[f]] * (longest - len(r[0])) for r in rows]) for f in range(6))
    q_kind, k_kind, q_block, k_block = kind[:, :, None], kind[:, None], block[:, :, None], block[:, None]
    sees = ((k_kind == 0) | ((k_kind == 1) & (((q_kind == 1) & (k_block <= q_block)) | ((q_kind == 2) & (k_block < q_block))))
            | ((k_kind == 2) & (q_kind == 2) & (k_block == q_block)))
    bias = torch.zeros(sees.shape).masked_fill(~sees, float("-inf"))
    return ids, positions, bias, targets, weights.float()


def full_batch(tok, batch, rng):
    """ids, None, score bias, targets, weights of the full layout."""
    rows = []
    for prompt, answer in batch:
        text = fill(answer, tok.eos, rng)
        last = (len(answer) - 1) // BLOCK
        chosen = rng.randint(0, last) if rng.random() < .95 else rng.randint(0, len(text) // BLOCK - 1)
        ahead = [.03 if i < len(answer) else .01 for i in range((chosen + 1) * BLOCK, len(text))]
        weights = [0] * (chosen * BLOCK) + noise(rng) + ahead
        noisy = [tok.mask if w else t for t, w in zip(text, weights)]
        rows.append((prompt + noisy, [0] * len(prompt) + text, [0] * len(prompt) + weights))
    longest = max(len(r[0]) for r in rows)
    ids, targets, weights = (torch.tensor([r[f] + [pad] * (longest - len(r[0])) for r in rows])
                             for f, pad in ((0, tok.pad), (1, 0), (2, 0)))
    lengths = torch.tensor([len(r[0]) for r in rows])
    bias = torch.zeros(len(rows), 1, longest).masked_fill((torch.arange(longest) >= lengths[:, None])[:, None], float("-inf"))
    return ids, None, bias, targets, weights.float()
