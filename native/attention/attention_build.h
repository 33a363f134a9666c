// Decides whether our own attention is compiled. Its kernel is written for GCC on x86-64 Linux, and
// its backend needs a private header of the engine. If it can't be compiled, LLAMA_ETS_NO_ATTENTION
// is defined as the reason, and no_attention.cc replaces this folder's other sources.
#pragma once

#if !defined(__GNUC__) || defined(__clang__) || !defined(__x86_64__) || !defined(__linux__)
#define LLAMA_ETS_NO_ATTENTION "built without it, which needs GCC on x86-64 Linux"
#elif !__has_include(<ggml-backend-impl.h>)
#define LLAMA_ETS_NO_ATTENTION "built without it, since ggml-backend-impl.h was missing"
#endif
