// Attention of our own by itself, for tests and for what `doctor` shows.
#pragma once

#include <napi.h>

namespace llama_ets {

// attend({ rows, heads, kvHeads, keySize, valueSize, cells, scale, softcap, together },
//        queries: Float32Array, keys: Uint16Array, values: Uint16Array, mask: Uint16Array)
//   -> Float32Array [row][head][valueSize], or null without the kernel
// Queries are [row][head][keySize], keys [cell][kvHead][keySize], values [cell][kvHead][valueSize],
// the mask [row][cell], all but the queries half precision; `together` rows make a piece.
Napi::Value JsAttend(const Napi::CallbackInfo& info);

// attendInGraph({ rows, group, kvHeads, keySize, valueSize, cells, softcap, bias, sinks, operand },
//               device: string, threads)
//   -> { out: Float32Array, isTaken, isOwn }, or null without the kernel
// One operation of attention_node.h, of `group` heads a key head, on a device of that name;
// `threads` 0 sets none. `isTaken`: ours would take it; `isOwn`: it was computed by ours.
Napi::Value JsAttendInGraph(const Napi::CallbackInfo& info);

// checkAttention(apiVersion, tolerance) -> why attention of our own would not be registered if
// these were expected, or ""
Napi::Value JsCheckAttention(const Napi::CallbackInfo& info);

}  // namespace llama_ets
