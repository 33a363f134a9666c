"""The transformers of the recipe, in the layouts llama.cpp knows as `qwen3` and `llada`.

qwen3: causal, RMS-normed queries and keys per head, NeoX RoPE (halves), grouped K/V.
llada: bidirectional, plain queries and keys, interleaved RoPE (pairs).
Both: RMSNorm, SwiGLU, no biases, output tied to the token embedding.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Shape:
    """Sizes of a model; `arch` picks the layout."""

    arch: str
    vocab: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    head: int = 32
    context: int = 512
    labels: int = 0          # classes of a classifier head, 0 for none


SHAPES = {
    "ref": dict(arch="qwen3", width=192, layers=5, heads=6, kv_heads=2, hidden=512),
    "proposal": dict(arch="qwen3", width=96, layers=4, heads=3, kv_heads=1, hidden=256),
    "llada": dict(arch="llada", width=128, layers=5, heads=4, kv_heads=4, hidden=384),
    "verifier": dict(arch="qwen3", width=192, layers=7, heads=6, kv_heads=2, hidden=512, labels=2),
}


class RMSNorm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight


def rope_tables(shape):
    """cos and sin of every position and frequency."""
    freq = 10000.0 ** (-torch.arange(0, shape.head, 2).float() / shape.head)
    angle = torch.arange(shape.context).float()[:, None] * freq
    return angle.cos(), angle.sin()


def rotate(x, cos, sin, halves):
    """RoPE on (batch, heads, time, head): halves (NeoX) or neighbouring pairs."""
    if halves:
        a, b = x.chunk(2, -1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.attn_norm, self.ffn_norm = RMSNorm(s.width), RMSNorm(s.width)
        self.q = nn.Linear(s.width, s.heads * s.head, bias=False)
        self.k = nn.Linear(s.width, s.kv_heads * s.head, bias=False)
        self.v = nn.Linear(s.width, s.kv_heads * s.head, bias=False)
        self.o = nn.Linear(s.heads * s.head, s.width, bias=False)
        self.gate, self.up = nn.Linear(s.width, s.hidden, bias=False), nn.Linear(s.width, s.hidden, bias=False)
        self.down = nn.Linear(s.hidden, s.width, bias=False)
        self.halves = s.arch == "qwen3"
        self.q_norm, self.k_norm = (RMSNorm(s.head), RMSNorm(s.head)) if self.halves else (nn.Identity(), nn.Identity())

    def forward(self, x, cos, sin, bias, cache):
        s, (b, t, _) = self.s, x.shape
        h = self.attn_norm(x)
        split = lambda y, n: y.view(b, t, n, s.head).transpose(1, 2)
        q = rotate(self.q_norm(split(self.q(h), s.heads)), cos, sin, self.halves)
        k = rotate(self.k_norm(split(self.k(h), s.kv_heads)), cos, sin, self.halves)
        v = split(self.v(h), s.kv_heads)
        if cache is not None:
            k, v = cache.extend(self, k, v)
        # grouped heads: the queries of one K/V head become extra rows of its product
        group = s.heads // s.kv_heads
        q = q.reshape(b, s.kv_heads, group * t, s.head) * s.head ** -.5
        scores = (q @ k.transpose(-1, -2)).view(b, s.kv_heads, group, t, -1)
        if bias is not None:
            scores = scores + bias
        y = (scores.softmax(-1).view(b, s.kv_heads, group * t, -1) @ v).view(b, s.heads, t, s.head)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, -1))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Cache:
    """Keys and values of every block, preallocated; `length` positions are filled."""

    def __init__(self, size):
        self.size, self.length, self.kv = size, 0, {}

    def extend(self, block, k, v):
        if block not in self.kv:
            shape = (k.shape[0], k.shape[1], self.size, k.shape[3])
            self.kv[block] = (k.new_zeros(shape), v.new_zeros(shape))
        keys, values = self.kv[block]
        end = self.length + k.shape[2]
        keys[:, :, self.length:end], values[:, :, self.length:end] = k, v
        return keys[:, :, :end], values[:, :, :end]

    def keep(self, rows):
        """Drop the sequences not in `rows`."""
        self.kv = {b: (k[rows], v[rows]) for b, (k, v) in self.kv.items()}


class Model(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.width)
        self.classify = nn.Linear(shape.width, shape.labels, bias=False) if shape.labels else None
        cos, sin = rope_tables(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                small = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(p, std=.02 if name.startswith("embed") else (.3 if small else 1) * p.shape[1] ** -.5)

    def hidden(self, ids, positions=None, bias=None, cache=None):
        """Final normed states. positions (batch, time) default to 0…; bias is added to the attention scores."""
        if positions is None:
            cos, sin = self.cos[:ids.shape[1]], self.sin[:ids.shape[1]]
        else:
            cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        if bias is not None and bias.dim() == 3:
            bias = bias[:, None, None]
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, cos, sin, bias, cache)
        if cache is not None:
            cache.length += ids.shape[1]
        return self.norm(x)

    def logits(self, hidden):
        return hidden @ self.embed.weight.t()

    def forward(self, ids, **given):
        return self.logits(self.hidden(ids, **given))


def causal_bias(length, device=None):
    """Score bias that hides the future, (length, length)."""
    return torch.full((length, length), float("-inf"), device=device).triu(1)


def build(name, vocab):
    return Model(Shape(vocab=vocab, **SHAPES[name]))


def save(model, path, **notes):
    torch.save({"shape": asdict(model.shape), "weights": model.state_dict(), **notes}, path)


def load(path):
    """A saved model; the file's notes are left in `model.notes`."""
    saved = torch.load(path, map_location="cpu")
    model = Model(Shape(**saved.pop("shape")))
    model.load_state_dict(saved.pop("weights"))
    model.notes = saved
    return model.eval()
