// Functions that run our attention outside a model, for tests and for what `doctor` shows.
#pragma once

#include <napi.h>

namespace llama_ets {

// attend({ rows, heads, kvHeads, keySize, valueSize, cells, scale, softcap, together },
//        queries: Float32Array, keys: Uint16Array, values: Uint16Array, mask: Uint16Array)
//   -> Float32Array [row][head][valueSize], or null without the kernel
// Queries are [row][head][keySize], keys [cell][kvHead][keySize], values [cell][kvHead][valueSize],
// the mask [row][cell]. The queries are single precision, all others half precision. A piece has at
// most `together` rows. An optional sixth argument is the order of the cells
// (AttentionCall::order).
Napi::Value JsAttend(const Napi::CallbackInfo& info);

// attendInGraph({ rows, group, kvHeads, keySize, valueSize, cells, softcap, bias, sinks, operand },
//               device: string, threads)
//   -> { out: Float32Array, isTaken, isOwn }, or null without the kernel
// Computes one operation of attention_node.h, with `group` heads per key head, on the named device.
// 0 `threads` keeps the device's own number. `isTaken`: our kernel supports the operation. `isOwn`:
// our kernel computed it.
Napi::Value JsAttendInGraph(const Napi::CallbackInfo& info);

// checkAttention(apiVersion, tolerance) -> the reason why our attention would not be registered if
// this version and tolerance were required, or ""
Napi::Value JsCheckAttention(const Napi::CallbackInfo& info);

}  // namespace llama_ets
