"""The diffusion model's first weights: the reference's, in the `llada` layout.

llama.cpp's `llada` has neither norms on queries and keys nor NeoX RoPE. The rows of each head
are put in the order of interleaved RoPE, and the norms become constants: their weights times
the mean of 1/rms over texts. Next-token training then mends what the constants miss.
"""

import torch

from model import Model, Shape


@torch.no_grad()
def mean_inverse_rms(reference, ids, bias):
    """Per block (queries, keys): the mean over texts of 1/rms, for each head."""
    found = []
    hooks = [norm.register_forward_pre_hook(lambda _, given: found.append((given[0].square().mean(-1) + 1e-6).rsqrt().mean((0, 2))))
             for block in reference.blocks for norm in (block.q_norm, block.k_norm)]
    reference.hidden(ids, bias=bias)
    for hook in hooks:
        hook.remove()
    return list(zip(found[::2], found[1::2]))


@torch.no_grad()
def as_llada(reference, ids, bias):
    """The model with the reference's weights; ids is a batch of texts to take the means on."""
    s = reference.shape
    shape = Shape(arch="llada", vocab=s.vocab, width=s.width, layers=s.layers, heads=s.heads, kv_heads=s.kv_heads, hidden=s.hidden, head=s.head)
    weights = {k: v.clone() for k, v in reference.state_dict().items() if "q_norm" not in k and "k_norm" not in k}
    order = torch.arange(s.head).view(2, -1).t().flatten()      # pairs (i, i + half) become neighbours
    for n, (block, scales) in enumerate(zip(reference.blocks, mean_inverse_rms(reference, ids, bias))):
        for part, norm, scale in (("q", block.q_norm, scales[0]), ("k", block.k_norm, scales[1])):
            rows = weights[f"blocks.{n}.{part}.weight"].view(-1, s.head, s.width) * norm.weight[:, None] * scale[:, None, None]
            weights[f"blocks.{n}.{part}.weight"] = rows[:, order].reshape(-1, s.width)
    model = Model(shape)
    model.load_state_dict(weights)
    return model
