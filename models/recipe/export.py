"""Write a trained model as GGUF (f16 matrices): export.py MODEL.pt OUT.gguf [--node-modules DIR].

gguf-py comes out of the llama.cpp source bundle inside node-llama-cpp, so that the
writer and the engine are of one release.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import torch

from model import load
from tokenizer import CHAT_TEMPLATE, Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
DESCRIPTION = "mini model of llama-ets, trained from scratch on a synthetic word-problem corpus (mini GSM)"
LABELS = ["right", "wrong"]     # the verifier's classes: the first one's probability is the reward


def find_node_modules(given=None):
    """The nearest node_modules, from here upwards, that holds node-llama-cpp."""
    folder = HERE
    for candidate in [given] if given else [os.path.join(folder, *[".."] * up, "node_modules") for up in range(6)]:
        if os.path.exists(os.path.join(candidate, "node-llama-cpp")):
            return candidate
    sys.exit("node-llama-cpp not found. Try: npm install, or --node-modules DIR")


def import_gguf(node_modules):
    """Unpack gguf-py from the bundled source (1 s) and import it."""
    bundle = os.path.join(node_modules, "node-llama-cpp/llama/gitRelease.bundle")
    folder = tempfile.mkdtemp(prefix="gguf-py-")
    subprocess.run(["git", "clone", "--quiet", "--bare", bundle, f"{folder}/source.git"], check=True)
    archive = subprocess.run(["git", "--git-dir", f"{folder}/source.git", "archive", "HEAD", "gguf-py"], check=True, capture_output=True)
    subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
    sys.path.insert(0, f"{folder}/gguf-py")
    import gguf
    return gguf


NAMES = {"attn_norm": "attn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "ffn_norm": "ffn_norm",
         "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down", "q_norm": "attn_q_norm", "k_norm": "attn_k_norm"}
TOP = {"embed.weight": "token_embd.weight", "norm.weight": "output_norm.weight", "classify.weight": "cls.output.weight"}


def gguf_name(name):
    """Our parameter's name in llama.cpp's naming."""
    if name in TOP:
        return TOP[name]
    _, block, part, kind = name.split(".")
    return f"blk.{block}.{NAMES[part]}.{kind}"


def write_tokenizer(gguf, w, tok):
    """Same tokenizer in every model: pieces, types, merges, special tokens, chat template."""
    types = [gguf.TokenType.NORMAL] * tok.plain + [gguf.TokenType.CONTROL] * (tok.used - tok.plain)
    types += [gguf.TokenType.UNUSED] * (len(tok) - tok.used)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tok.pieces)
    w.add_token_types(types)
    w.add_token_merges([" ".join(m) for m in tok.merges])
    w.add_bos_token_id(tok.pad)
    w.add_eos_token_id(tok.eos)
    w.add_pad_token_id(tok.pad)
    w.add_eot_token_id(tok.eos)
    w.add_add_bos_token(False)
    w.add_mask_token_id(tok.mask)
    w.add_chat_template(CHAT_TEMPLATE)


def export(model, name, path, node_modules=None):
    gguf = import_gguf(find_node_modules(node_modules))
    s, tok = model.shape, Tokenizer(os.path.join(HERE, "tokenizer.json"))
    w = gguf.GGUFWriter(path, s.arch)
    w.add_name(name)
    w.add_description(DESCRIPTION)
    w.add_context_length(s.context)
    w.add_embedding_length(s.width)
    w.add_block_count(s.layers)
    w.add_feed_forward_length(s.hidden)
    w.add_head_count(s.heads)
    w.add_head_count_kv(s.kv_heads)
    w.add_key_length(s.head)
    w.add_value_length(s.head)
    w.add_rope_dimension_count(s.head)
    w.add_rope_freq_base(10000.0)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_vocab_size(s.vocab)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_quantization_version(2)
    if s.arch == "llada":
        w.add_causal_attention(False)
        w.add_diffusion_shift_logits(True)
    if s.labels:
        w.add_pooling_type(gguf.PoolingType.RANK)
        w.add_classifier_output_labels(LABELS)
    write_tokenizer(gguf, w, tok)
    for key, value in model.state_dict().items():
        value = value.to(torch.float16 if value.dim() == 2 else torch.float32)
        w.add_tensor(gguf_name(key), value.contiguous().numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    count = sum(p.numel() for p in model.parameters())
    print(f"{path}: {os.path.getsize(path) / 1e6:.2f} MB, {count / 1e6:.2f} M parameters")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--node-modules")
    a = parser.parse_args()
    export(load(a.model), os.path.basename(a.out).removesuffix(".gguf"), a.out, a.node_modules)
