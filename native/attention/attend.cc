#include "attention/attend.h"

#include "attention/attention_build.h"

#ifndef LLAMA_ETS_NO_ATTENTION

#include <algorithm>
#include <string>
#include <vector>

#include "attention/attention_kernel.h"
#include "attention/attention_node.h"
#include "attention/attention_test.h"
#include "attention/graph_attention.h"
#include "attention/shared_attention.h"
#include "files/engine.h"
#include "files/engine_error.h"
#include "js/arguments.h"

namespace llama_ets {
namespace {

// The largest size of a dimension. It is enough for tests, and a product of four stays below 2^63.
constexpr int64_t kMost = 1 << 13;

template <typename Array>
const char* ReadNumbers(Napi::Value value, const char* name, napi_typedarray_type type,
                        size_t length) {
  const bool is_typed =
      value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
  if (!is_typed || value.As<Napi::TypedArray>().ElementLength() != length) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `" + std::string(name) +
                                                  "`, a typed array of " + std::to_string(length) +
                                                  " numbers");
  }
  return reinterpret_cast<const char*>(value.As<Array>().Data());
}

ggml_backend_dev_t FindDevice(const std::string& name) {
  for (size_t i = 0; i < Engine().ggml_backend_dev_count(); ++i) {
    const ggml_backend_dev_t device = Engine().ggml_backend_dev_get(i);
    if (name == Engine().ggml_backend_dev_name(device)) return device;
  }
  throw EngineError("ERR_INVALID_ARGUMENT", "The engine has no device `" + name + "`");
}

}  // namespace

Napi::Value JsAttend(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    if (!HasAttentionKernel()) return env.Null();
    const Napi::Object shape = ReadObject(info[0], "shape");
    const auto read = [&](const char* name, int64_t unit = 1) {
      const int64_t number = ReadInteger(shape.Get(name), name, unit, kMost);
      if (number % unit == 0) return static_cast<int32_t>(number);
      throw EngineError(
          "ERR_INVALID_ARGUMENT",
          "Expected `" + std::string(name) + "` to be a multiple of " + std::to_string(unit));
    };
    AttentionCall call{};
    call.rows = read("rows");
    call.kv_heads = read("kvHeads");
    call.heads = read("heads", call.kv_heads);
    call.key_size = read("keySize", kAttentionWidth);
    call.value_size = read("valueSize", kAttentionWidth);
    call.cells = read("cells");
    call.scale = static_cast<float>(ReadNumber(shape.Get("scale"), "scale", 0, 1e6));
    call.softcap = static_cast<float>(ReadNumber(shape.Get("softcap"), "softcap", 0, 1e6));
    const auto together = static_cast<int32_t>(
        ReadInteger(shape.Get("together"), "together", 1, AttentionPiece::kMostRows));

    const size_t rows = call.rows, heads = call.heads, kv_heads = call.kv_heads;
    const size_t key = call.key_size, value = call.value_size, cells = call.cells;
    call.queries =
        ReadNumbers<Napi::Float32Array>(info[1], "queries", napi_float32_array, rows * heads * key);
    call.keys =
        ReadNumbers<Napi::Uint16Array>(info[2], "keys", napi_uint16_array, cells * kv_heads * key);
    call.values = ReadNumbers<Napi::Uint16Array>(info[3], "values", napi_uint16_array,
                                                 cells * kv_heads * value);
    call.mask = ReadNumbers<Napi::Uint16Array>(info[4], "mask", napi_uint16_array, rows * cells);
    call.query_head = key * sizeof(float);
    call.query_row = heads * call.query_head;
    call.key_head = key * sizeof(uint16_t);
    call.key_cell = kv_heads * call.key_head;
    call.value_head = value * sizeof(uint16_t);
    call.value_cell = kv_heads * call.value_head;
    call.mask_row = cells * sizeof(uint16_t);
    if (info[5].IsTypedArray()) {
      call.order = reinterpret_cast<const int32_t*>(
          ReadNumbers<Napi::Int32Array>(info[5], "order", napi_int32_array, cells));
      const bool is_order = std::all_of(call.order, call.order + cells, [&](int32_t cell) {
        return cell >= 0 && cell < call.cells;
      });
      if (!is_order) throw EngineError("ERR_INVALID_ARGUMENT", "Expected `order` to be of cells");
    }
    Napi::Float32Array out = Napi::Float32Array::New(env, rows * heads * value);
    call.out = out.Data();

    const int32_t tile_count = TilesOf(call);
    std::vector<uint32_t> tiles(rows * tile_count);
    for (int32_t row = 0; row < call.rows; ++row) {
      FindAttendedCells(call, row, &tiles[row * tile_count]);
    }
    std::vector<float> scratch(AttentionScratch(call, together));
    for (int32_t index = 0; index < PiecesOf(call, together); ++index) {
      Attend(call, PieceOf(call, together, index, tiles.data()), scratch.data());
    }
    return out;
  });
}

Napi::Value JsAttendInGraph(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    if (!HasAttentionKernel()) return env.Null();
    const Napi::Object given = ReadObject(info[0], "shape");
    const auto read = [&](const char* name, int64_t least, int64_t most) {
      return static_cast<int32_t>(ReadInteger(given.Get(name), name, least, most));
    };
    AttentionNodeShape shape{};
    shape.rows = read("rows", 1, 256);
    shape.kv_heads = read("kvHeads", 1, 16);
    shape.heads = read("group", 1, 16) * shape.kv_heads;
    shape.key_size = read("keySize", 1, 256);
    shape.value_size = read("valueSize", 1, 256);
    shape.cells = read("cells", 1, 2048);
    shape.softcap = static_cast<float>(ReadNumber(given.Get("softcap"), "softcap", 0, 1e6));
    shape.bias = static_cast<float>(ReadNumber(given.Get("bias"), "bias", 0, 1e6));
    shape.sinks = ReadBoolean(given.Get("sinks"), "sinks");
    shape.operand = read("operand", 0, GGML_MAX_SRC - 1);
    const ggml_backend_dev_t device = FindDevice(ReadString(info[1], "device"));
    const auto threads =
        static_cast<int32_t>(ReadInteger(info[2], "threads", 0, GGML_MAX_N_THREADS));

    AttentionNode node(shape);
    const SharedAttention attention(true);
    const bool is_taken = KernelTakes(node.operation());
    const std::vector<float> numbers = node.Compute(device, threads);
    Napi::Float32Array out = Napi::Float32Array::New(env, numbers.size());
    std::copy(numbers.begin(), numbers.end(), out.Data());
    Napi::Object result = Napi::Object::New(env);
    result["out"] = out;
    result["isTaken"] = is_taken;
    result["isOwn"] = attention.nanoseconds > 0;
    return result;
  });
}

Napi::Value JsCheckAttention(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    AttentionExpectations expected{};
    expected.api_version =
        static_cast<int>(ReadInteger(info[0], "apiVersion", INT32_MIN, INT32_MAX));
    expected.tolerance = static_cast<float>(ReadNumber(info[1], "tolerance", -1, 1e6));
    if (!HasSharedAttention()) return Napi::String::New(info.Env(), SharedAttentionStatus().reason);
    return Napi::String::New(info.Env(), CheckSharedAttention(expected));
  });
}

}  // namespace llama_ets

#endif  // LLAMA_ETS_NO_ATTENTION
