"""Read a model of this recipe back from its GGUF: restore.py MODEL.gguf OUT.pt [--node-modules DIR].

With it the proposal and the verifier can be remade from the published reference,
without training that first.
"""

import argparse

import torch

from export import NAMES, TOP, find_node_modules, import_gguf
from model import Model, Shape, save


def our_name(name):
    """Our parameter's name for one of llama.cpp's."""
    top = {theirs: ours for ours, theirs in TOP.items()}
    if name in top:
        return top[name]
    _, block, part, kind = name.split(".")
    return f"blocks.{block}.{ {theirs: ours for ours, theirs in NAMES.items()}[part]}.{kind}"


def restore(path, node_modules=None):
    reader = import_gguf(find_node_modules(node_modules)).GGUFReader(path)
    value = lambda key: reader.fields[key].contents()
    arch = value("general.architecture")
    labels = reader.fields.get(f"{arch}.classifier.output_labels")
    model = Model(Shape(arch=arch, vocab=value(f"{arch}.vocab_size"), width=value(f"{arch}.embedding_length"),
                        layers=value(f"{arch}.block_count"), heads=value(f"{arch}.attention.head_count"),
                        kv_heads=value(f"{arch}.attention.head_count_kv"), hidden=value(f"{arch}.feed_forward_length"),
                        head=value(f"{arch}.attention.key_length"), context=value(f"{arch}.context_length"),
                        labels=len(labels.contents()) if labels else 0))
    model.load_state_dict({our_name(t.name): torch.tensor(t.data).float() for t in reader.tensors})
    return model.eval()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf")
    parser.add_argument("out")
    parser.add_argument("--node-modules")
    a = parser.parse_args()
    save(restore(a.gguf, a.node_modules), a.out)
