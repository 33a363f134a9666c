"""The few calls of llama.cpp's C API that verification needs, on the prebuilt library of node-llama-cpp.

Struct layouts are those of the release pinned in package.json (include/llama.h of its source bundle).
"""

import ctypes as C
import glob
import os

import numpy as np

RANK = 4     # LLAMA_POOLING_TYPE_RANK


class ModelParams(C.Structure):
    _fields_ = [("devices", C.c_void_p), ("buffer_overrides", C.c_void_p), ("n_gpu_layers", C.c_int32), ("split_mode", C.c_int),
                ("load_mode", C.c_int), ("lazy_mode", C.c_int), ("main_gpu", C.c_int32), ("tensor_split", C.c_void_p),
                ("progress", C.c_void_p), ("progress_data", C.c_void_p), ("kv_overrides", C.c_void_p),
                *[(f, C.c_bool) for f in "vocab_only check_tensors use_extra_bufts no_host no_alloc load_mtp".split()]]


class ContextParams(C.Structure):
    _fields_ = [*[(f, C.c_uint32) for f in "n_ctx n_batch n_ubatch n_seq_max n_rs_seq n_outputs_max n_outputs_max_per_seq".split()],
                ("n_threads", C.c_int32), ("n_threads_batch", C.c_int32),
                *[(f, C.c_int) for f in "ctx_type rope_scaling pooling attention flash_attention".split()],
                *[(f, C.c_float) for f in "rope_base rope_scale yarn_ext yarn_attn yarn_fast yarn_slow".split()],
                ("yarn_orig_ctx", C.c_uint32), ("defrag", C.c_float), ("cb_eval", C.c_void_p), ("cb_data", C.c_void_p),
                ("type_k", C.c_int), ("type_v", C.c_int), ("abort", C.c_void_p), ("abort_data", C.c_void_p),
                *[(f, C.c_bool) for f in "embeddings offload_kqv no_perf op_offload swa_full kv_unified".split()],
                ("samplers", C.c_void_p), ("n_samplers", C.c_size_t), ("other", C.c_void_p)]


class Batch(C.Structure):
    _fields_ = [("n_tokens", C.c_int32), ("token", C.POINTER(C.c_int32)), ("embd", C.POINTER(C.c_float)), ("pos", C.POINTER(C.c_int32)),
                ("n_seq_id", C.POINTER(C.c_int32)), ("seq_id", C.POINTER(C.POINTER(C.c_int32))), ("logits", C.POINTER(C.c_int8))]


def library(node_modules):
    """Load ggml-base, ggml, llama in that order, then the CPU backends."""
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    folder = glob.glob(os.path.join(node_modules, "@node-llama-cpp/linux-x64/bins/linux-x64"))[0]
    load = lambda stem: C.CDLL(glob.glob(os.path.join(folder, f"lib{stem}.*so*"))[0] if stem != "ggml-base"
                               else os.path.join(folder, "libggml-base.so"), mode=C.RTLD_GLOBAL)
    _, ggml, llama = load("ggml-base"), load("ggml"), load("llama")
    ggml.ggml_backend_load_all_from_path(folder.encode())
    pointers = dict(llama_model_load_from_file=[C.c_char_p, ModelParams], llama_init_from_model=[C.c_void_p, ContextParams],
                    llama_model_get_vocab=[C.c_void_p], llama_get_memory=[C.c_void_p])
    for name, arguments in pointers.items():
        getattr(llama, name).argtypes, getattr(llama, name).restype = arguments, C.c_void_p
    llama.llama_model_default_params.restype = ModelParams
    llama.llama_context_default_params.restype = ContextParams
    llama.llama_batch_init.restype = Batch
    llama.llama_decode.argtypes = [C.c_void_p, Batch]
    llama.llama_memory_clear.argtypes = [C.c_void_p, C.c_bool]
    llama.llama_model_meta_val_str.argtypes = [C.c_void_p, C.c_char_p, C.c_char_p, C.c_size_t]
    llama.llama_vocab_n_tokens.argtypes = [C.c_void_p]
    llama.llama_tokenize.argtypes = [C.c_void_p, C.c_char_p, C.c_int32, C.POINTER(C.c_int32), C.c_int32, C.c_bool, C.c_bool]
    for name, arguments in dict(llama_get_logits_ith=[C.c_void_p, C.c_int32], llama_get_embeddings_seq=[C.c_void_p, C.c_int32]).items():
        getattr(llama, name).argtypes, getattr(llama, name).restype = arguments, C.POINTER(C.c_float)
    silent = C.CFUNCTYPE(None, C.c_int, C.c_char_p, C.c_void_p)(lambda level, text, data: None)
    llama.silent = silent
    llama.llama_log_set(silent, None)
    llama.llama_backend_init()
    return llama


class Engine:
    """One model and context of llama.cpp; `rank` for a classifier."""

    def __init__(self, node_modules, path, rank=False):
        self.lib = library(node_modules)
        params = self.lib.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = self.lib.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            raise RuntimeError(f"llama.cpp does not load {path}")
        self.vocab = self.lib.llama_model_get_vocab(self.model)
        self.size = self.lib.llama_vocab_n_tokens(self.vocab)
        c = self.lib.llama_context_default_params()
        c.n_ctx = c.n_batch = c.n_ubatch = 512
        c.n_threads = c.n_threads_batch = 1
        c.flash_attention = 0        # disabled: exact enough to compare log-probabilities
        if rank:
            c.embeddings, c.pooling = True, RANK
        self.context = self.lib.llama_init_from_model(self.model, c)
        self.rank = rank
        self.batch = self.lib.llama_batch_init(512, 0, 1)

    def tokenize(self, text):
        room = (C.c_int32 * 2048)()
        n = self.lib.llama_tokenize(self.vocab, text.encode(), len(text.encode()), room, 2048, False, True)
        return list(room[:n])

    def metadata(self, key):
        """A value of the file's metadata as llama.cpp prints it, or None."""
        room = C.create_string_buffer(256)
        n = self.lib.llama_model_meta_val_str(self.model, key.encode(), room, 256)
        return room.value.decode() if n >= 0 else None

    def run(self, ids):
        """Decode the whole text from an empty memory."""
        memory = self.lib.llama_get_memory(self.context)
        if memory:
            self.lib.llama_memory_clear(memory, True)
        b = self.batch
        b.n_tokens = len(ids)
        for i, x in enumerate(ids):
            b.token[i], b.pos[i], b.n_seq_id[i], b.logits[i] = x, i, 1, 1
            b.seq_id[i][0] = 0
        code = self.lib.llama_decode(self.context, b)
        if code:
            raise RuntimeError(f"llama_decode returned {code}")

    def logits(self, ids):
        """Logits at every position, (len(ids), vocabulary)."""
        self.run(ids)
        return np.stack([np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.context, i), (self.size,)).copy() for i in range(len(ids))])

    def score(self, ids, labels=2):
        """Class probabilities of a rank-pooled classifier."""
        self.run(ids)
        return np.ctypeslib.as_array(self.lib.llama_get_embeddings_seq(self.context, 0), (labels,)).copy()
