"""Byte-level BPE, the same as llama.cpp's `gpt2` model with the `qwen2` splitting rule.

Trained on the corpus until every word of it is one token; digits stay single
tokens. usage: tokenizer.py train OUT.json
tokenizer.json is part of the recipe: training it anew after a change of the corpus may
renumber the tokens, and then every model has to be trained again.
"""

import collections
import json
import re
import sys

# qwen2's rule; [^\W\d_] stands for \p{L} and \d for \p{N}, which Python's re lacks.
SPLIT = re.compile(r"'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|(?:[^\r\n\w]|_)?[^\W\d_]+|\d"
                   r"| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|mask|>"]
CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def byte_alphabet():
    """GPT-2's printable stand-in for each byte."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in keep}, 256
    for b in range(256):
        if b not in table:
            table[b] = chr(extra)
            extra += 1
    return table


BYTES = byte_alphabet()


def train(texts):
    """Merges, most frequent pair first, until every word of `texts` is one token."""
    words = collections.Counter(w for t in texts for w in SPLIT.findall(t))
    parts = {w: tuple(BYTES[b] for b in w.encode()) for w in words}
    merges = []
    while True:
        pairs = collections.Counter()
        for w, p in parts.items():
            for pair in zip(p, p[1:]):
                pairs[pair] += words[w]
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        parts = {w: merge(p, best) for w, p in parts.items()}


def merge(parts, pair):
    """Join every occurrence of the pair, left to right."""
    out, i = [], 0
    while i < len(parts):
        if parts[i:i + 2] == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return tuple(out)


class Tokenizer:
    """Encodes and decodes; `pieces` lists every id's text form, padded to a multiple of 32."""

    def __init__(self, path):
        self.merges = [tuple(m) for m in json.load(open(path))["merges"]]
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.pieces = sorted(BYTES.values(), key=lambda c: (ord(c) > 255, ord(c))) + [a + b for a, b in self.merges]
        self.plain = len(self.pieces)
        self.pieces += SPECIALS
        self.used = len(self.pieces)
        self.pieces += [f"[PAD{i}]" for i in range(-self.used % 32)]
        self.ids = {p: i for i, p in enumerate(self.pieces)}
        self.pad, self.start, self.eos, self.mask = (self.ids[s] for s in SPECIALS)
        self.unbyte = {c: b for b, c in BYTES.items()}
        self.cache = {}

    def __len__(self):
        return len(self.pieces)

    def word(self, w):
        """Ids of one word, lowest-ranked merge first."""
        if w not in self.cache:
            p = tuple(BYTES[b] for b in w.encode())
            while len(p) > 1:
                best = min(zip(p, p[1:]), key=lambda m: self.rank.get(m, 1 << 30))
                if best not in self.rank:
                    break
                p = merge(p, best)
            self.cache[w] = [self.ids[x] for x in p]
        return self.cache[w]

    def encode(self, text):
        """Ids of plain text (special tokens are not parsed)."""
        return [i for w in SPLIT.findall(text) for i in self.word(w)]

    def decode(self, ids):
        """Text of the ids; special tokens are dropped."""
        return bytes(self.unbyte[c] for i in ids if i < self.plain for c in self.pieces[i]).decode(errors="replace")

    def prompt(self, question):
        """The chat template around one user message, up to where the answer begins."""
        return ([self.start] + self.encode("user\n" + question) + [self.eos] + self.encode("\n")
                + [self.start] + self.encode("assistant\n"))


if __name__ == "__main__":
    import itertools
    from corpus import LEVELS, make_item
    import random
    rng = random.Random(7)
    items = [make_item(rng, level, held) for level in LEVELS for held in (None, "numbers", "wording", "template") for _ in range(1500)]
    texts = itertools.chain.from_iterable(("user\n" + i["question"], "\nassistant\n" + i["answer"]) for i in items)
    merges = train(texts)
    with open(sys.argv[2], "w") as out:
        json.dump({"merges": merges}, out, ensure_ascii=False, indent=0)
    tok = Tokenizer(sys.argv[2])
    for level in LEVELS:
        some = [i for i in items if i["level"] == level]
        p, a = [len(tok.prompt(i["question"])) for i in some], [len(tok.encode(i["answer"])) + 1 for i in some]
        print(f"level {level}: prompt mean {sum(p) / len(p):.0f} max {max(p)}, answer mean {sum(a) / len(a):.0f} max {max(a)}")
    print(len(merges), "merges,", len(tok), "ids")
