// The attention kernel by itself, for tests.
#pragma once

#include <napi.h>

namespace llama_ets {

// attend({ rows, heads, kvHeads, keySize, valueSize, cells, scale, softcap, together },
//        queries: Float32Array, keys: Uint16Array, values: Uint16Array, mask: Uint16Array)
//   -> Float32Array [row][head][valueSize], or null on a processor without the kernel
// Queries are [row][head][keySize], keys [cell][kvHead][keySize], values [cell][kvHead][valueSize],
// the mask [row][cell], all but the queries half precision; `together` rows make a piece.
Napi::Value JsAttend(const Napi::CallbackInfo& info);

}  // namespace llama_ets
