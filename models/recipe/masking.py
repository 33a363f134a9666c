"""Noisy batches for masked diffusion with shifted logits: answers in blocks of 8, filled up with end tokens.

Token i is predicted from the state at position i - 1 (see train_diffusion.py). Decoding is
semi-autoregressive: blocks left to right, within a block the most confident token first, which
mostly means left to right too. So training mostly masks the tail of a block or of the answer (the
states decoding mostly visits), and else a random part of a block or of the whole answer.

Two layouts teach the same task:
packed   [prompt | clean blocks | noisy copies]: every noisy block sees the prompt, the
         clean blocks before it and itself. One pass gives a loss on all blocks: cheap.
full     [prompt | answer]: one block is noisy, everything after it masked, everything
         sees everything: what llama.cpp's `llada` graph computes, and what decoding needs.
"""

import torch

BLOCK = 8
LONGEST = 64          # answers are filled up to a multiple of BLOCK, at most this
COPIES = 2            # noisy copies of the packed layout: tails of blocks, random parts of blocks
# Loss weights: the next token after what is visible; in a random part; further on in a tail; blocks ahead.
# What is further on is mostly unknowable, and would drown the rest.
FIRST, PART, TAIL, AHEAD = 3, 1, .2, .03


def fill(answer, eos, rng=None):
    """The answer with end tokens up to whole blocks; with rng sometimes a few blocks more."""
    length = -(-len(answer) // BLOCK) * BLOCK
    if rng is not None and rng.random() < .5:
        length = rng.randrange(length, LONGEST + 1, BLOCK)
    return answer + [eos] * (length - len(answer))


def tail(rng, size=BLOCK):
    """Weights of a block whose last 1 to all tokens are masked; 0 stays visible."""
    count = rng.randint(1, size)
    return [0] * (size - count) + [FIRST] + [TAIL] * (count - 1)


def part(rng, size=BLOCK):
    """Weights of a block with a random part masked."""
    hidden = set(rng.sample(range(size), rng.randint(1, size)))
    return [PART if i in hidden else 0 for i in range(size)]


def packed_row(tok, prompt, text, rng):
    """Columns of one packed row: id, position, kind (0 prompt, 1 clean, 2… a noisy copy), block, target, weight."""
    start, end = len(prompt), len(text) - BLOCK       # nothing looks at the last clean block
    row = [[t, i, 0, -1, 0, 0] for i, t in enumerate(prompt)]
    row += [[t, start + i, 1, i // BLOCK, 0, 0] for i, t in enumerate(text[:end])]
    for copy in range(COPIES):
        weights = [w for _ in range(len(text) // BLOCK) for w in (part if copy else tail)(rng)]
        offset = len(row)
        row += [[tok.mask if w else t, start + i, 2 + copy, i // BLOCK, 0, 0] for i, (t, w) in enumerate(zip(text, weights))]
        for i, w in enumerate(weights):
            # a block's first token is predicted by the last clean one before it
            at = start + i - 1 if i % BLOCK == 0 else offset + i - 1
            if w > row[at][5]:
                row[at][4:] = [text[i], w]
    return row


def packed_batch(tok, batch, rng):
    """ids, positions, score bias, targets, weights of the packed layout."""
    rows = [packed_row(tok, prompt, fill(answer, tok.eos), rng) for prompt, answer in batch]
    longest = max(map(len, rows))
    columns = torch.tensor([r + [[tok.pad, 0, -1, -2, 0, 0]] * (longest - len(r)) for r in rows])
    ids, positions, kind, block, targets = columns[..., :5].long().unbind(-1)
    weights = columns[..., 5]
    q_kind, k_kind, q_block, k_block = kind[:, :, None], kind[:, None], block[:, :, None], block[:, None]
    sees = ((k_kind == 0) | ((k_kind == 1) & (((q_kind == 1) & (k_block <= q_block)) | ((q_kind >= 2) & (k_block < q_block))))
            | ((k_kind >= 2) & (k_kind == q_kind) & (k_block == q_block)))
    bias = torch.zeros(sees.shape).masked_fill(~sees, float("-inf"))
    return ids, positions, bias, targets, weights


def full_weights(tokens, filled, rng):
    """Weights of an answer of so many tokens, filled up: 0 visible, else masked with that weight in the loss."""
    if rng.random() < .15:         # a random part of everything
        share = rng.random()
        return [PART if rng.random() < share else 0 for _ in range(tokens)] + [AHEAD] * (filled - tokens)
    if rng.random() < .6:          # everything after a random place
        at = rng.randrange(tokens)
        weights = [0] * at + [FIRST] + [TAIL] * (BLOCK - 1)
    else:                          # a random part of a block and all after it
        at = rng.randrange(0, tokens, BLOCK)
        weights = [0] * at + part(rng)
    return (weights + [AHEAD] * filled)[:filled]


def full_batch(tok, batch, rng):
    """ids, None, score bias, targets, weights of the full layout."""
    rows = []
    for prompt, answer in batch:
        text = fill(answer, tok.eos, rng)
        weights = full_weights(len(answer), len(text), rng)
        noisy = [tok.mask if w else t for t, w in zip(text, weights)]
        before = [0] * (len(prompt) - 1)
        rows.append((prompt + noisy, before + text + [0], before + weights + [0]))
    longest = max(len(r[0]) for r in rows)
    ids, targets, weights = (torch.tensor([r[f] + [pad] * (longest - len(r[0])) for r in rows])
                             for f, pad in ((0, tok.pad), (1, 0), (2, 0)))
    lengths = torch.tensor([len(r[0]) for r in rows])
    bias = torch.zeros(len(rows), 1, longest).masked_fill((torch.arange(longest) >= lengths[:, None])[:, None], float("-inf"))
    return ids, None, bias, targets, weights.float()
