// Whether attention of our own is compiled: its kernel is written for GCC on x86-64 under Linux,
// and a backend consists of what a private header of the engine says. Otherwise
// LLAMA_ETS_NO_ATTENTION is the reason, and no_attention.cc stands for all of it.
#pragma once

#if !defined(__GNUC__) || defined(__clang__) || !defined(__x86_64__) || !defined(__linux__)
#define LLAMA_ETS_NO_ATTENTION "built without it, which needs GCC on x86-64 Linux"
#elif !__has_include(<ggml-backend-impl.h>)
#define LLAMA_ETS_NO_ATTENTION "built without it, since ggml-backend-impl.h was missing"
#endif
