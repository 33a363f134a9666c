#include "js/context_values.h"

#include <algorithm>
#include <map>
#include <string>

#include "files/engine.h"
#include "files/engine_error.h"
#include "js/arguments.h"

namespace llama_ets {
namespace {

std::vector<llama_token> ReadSomeTokens(Napi::Value value, int32_t vocab_size) {
  std::vector<llama_token> tokens = ReadTokens(value, "tokens", vocab_size);
  if (tokens.empty()) throw EngineError("ERR_INVALID_ARGUMENT", "Expected at least one token");
  return tokens;
}

// The tokens of a text so far. They are left out if there is no grammar that reads them.
std::vector<llama_token> ReadText(Napi::Object object, int32_t vocab_size) {
  const Napi::Value text = object.Get("text");
  return text.IsUndefined() ? std::vector<llama_token>{} : ReadTokens(text, "text", vocab_size);
}

// Reads a type in which llama.cpp can keep keys and values. With other types it divides by zero.
ggml_type ReadCacheType(Napi::Value value) {
  static const std::map<std::string, ggml_type> kTypes = {
      {"f32", GGML_TYPE_F32},   {"f16", GGML_TYPE_F16},   {"bf16", GGML_TYPE_BF16},
      {"q8_0", GGML_TYPE_Q8_0}, {"q5_1", GGML_TYPE_Q5_1}, {"q5_0", GGML_TYPE_Q5_0},
      {"q4_1", GGML_TYPE_Q4_1}, {"q4_0", GGML_TYPE_Q4_0}, {"iq4_nl", GGML_TYPE_IQ4_NL}};
  if (value.IsUndefined()) return GGML_TYPE_F16;
  const auto found = kTypes.find(ReadString(value, "kvType"));
  if (found != kTypes.end()) return found->second;
  throw EngineError("ERR_INVALID_ARGUMENT",
                    "Expected `kvType` to be f32, f16, bf16 or q8_0 to q4_0");
}

}  // namespace

void SetMetrics(Napi::Object* object, const std::vector<double>& entropies,
                const std::vector<double>& self_certainties) {
  const Napi::Env env = object->Env();
  if (!entropies.empty()) (*object)["entropies"] = ToFloat64Array(env, entropies);
  if (!self_certainties.empty()) {
    (*object)["selfCertainties"] = ToFloat64Array(env, self_certainties);
  }
}

void SetMasses(Napi::Object* object, const std::vector<double>& log_masses) {
  if (log_masses.empty()) return;
  (*object)["logMasses"] = ToFloat64Array(object->Env(), log_masses);
}

SequenceHandle ReadHandle(Napi::Value value) {
  return ReadInteger(value, "sequence", 1, kMaxHandle);
}

DecoderOptions ReadSessionOptions(Napi::Value value) {
  const Napi::Object object = ReadObject(value, "options");
  const auto read = [&](const char* name, int64_t min, int64_t max) {
    return ReadInteger(object.Get(name), name, min, max);
  };
  DecoderOptions options;
  options.cells = static_cast<uint32_t>(read("cells", 1, 1 << 30));
  options.max_sequences = static_cast<uint32_t>(
      read("maxSequences", 1, static_cast<int64_t>(Engine().llama_max_parallel_sequences())));
  options.batch_size = static_cast<uint32_t>(read("batchSize", 1, 1 << 20));
  options.max_outputs = static_cast<uint32_t>(read("maxOutputs", 1, 1 << 20));
  options.threads = static_cast<int32_t>(read("threads", 1, kMaxThreads));
  const bool has_batch_threads = !object.Get("batchThreads").IsUndefined();
  options.batch_threads = has_batch_threads
                              ? static_cast<int32_t>(read("batchThreads", 1, kMaxThreads))
                              : options.threads;
  options.flash_attention = static_cast<int32_t>(read("flashAttention", -1, kOwnAttention));
  options.cache_type = ReadCacheType(object.Get("kvType"));
  options.samples_on_device = ReadFlag(object, "samplesOnDevice");
  // llama.cpp asserts that outputs fit into the batch, and it limits the batch to the context.
  options.batch_size = std::min(options.batch_size, options.cells);
  if (options.max_outputs > options.batch_size) options.max_outputs = options.batch_size;
  if (options.max_sequences > options.max_outputs) {
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected `maxSequences` to be at most `maxOutputs` and `batchSize`, got " +
                          std::to_string(options.max_sequences));
  }
  return options;
}

PartitionOptions ReadPartitionOptions(Napi::Value value) {
  const Napi::Object object = ReadObject(value, "options");
  PartitionOptions options;
  options.cells = ReadInteger(object.Get("cells"), "cells", 1, 1 << 30);
  const auto most = static_cast<int64_t>(Engine().llama_max_parallel_sequences());
  options.max_sequences =
      static_cast<int32_t>(ReadInteger(object.Get("maxSequences"), "maxSequences", 1, most));
  options.max_outputs = static_cast<int32_t>(
      ReadInteger(object.Get("maxOutputs"), "maxOutputs", options.max_sequences, 1 << 20));
  return options;
}

std::vector<PrefillRequest> ReadPrefillRequests(Napi::Value value, int32_t vocab_size) {
  auto requests = ReadRequests<PrefillRequest>(value, "requests", [&](Napi::Object object) {
    return PrefillRequest{ReadHandle(object.Get("sequence")),
                          ReadSomeTokens(object.Get("tokens"), vocab_size)};
  });
  if (requests.empty()) throw EngineError("ERR_INVALID_ARGUMENT", "Expected at least one request");
  return requests;
}

std::vector<ScoreRequest> ReadScoreRequests(Napi::Value value, int32_t vocab_size) {
  return ReadRequests<ScoreRequest>(value, "requests", [&](Napi::Object object) {
    return ScoreRequest{ReadHandle(object.Get("parent")),
                        ReadSomeTokens(object.Get("tokens"), vocab_size),
                        ReadBoolean(object.Get("keep"), "keep"), ReadText(object, vocab_size)};
  });
}

std::vector<ExpandRequest> ReadExpandRequests(Napi::Value value, int32_t vocab_size) {
  return ReadRequests<ExpandRequest>(value, "requests", [&](Napi::Object object) {
    ExpandRequest request{ReadHandle(object.Get("parent")), std::nullopt,
                          ReadText(object, vocab_size)};
    const Napi::Value token = object.Get("token");
    if (!token.IsNull()) {
      request.token = static_cast<llama_token>(ReadInteger(token, "token", 0, vocab_size - 1));
    }
    return request;
  });
}

std::vector<ClassificationRequest> ReadClassificationRequests(Napi::Value value,
                                                              int32_t vocab_size) {
  return ReadRequests<ClassificationRequest>(value, "requests", [&](Napi::Object object) {
    return ClassificationRequest{ReadHandle(object.Get("parent")),
                                 ReadSomeTokens(object.Get("tokens"), vocab_size)};
  });
}

Napi::Value ToJs(Napi::Env env, const std::vector<Scores>& scores) {
  return ToArray(env, scores, [&](const Scores& text) {
    Napi::Object object = Napi::Object::New(env);
    object["logProbs"] = ToFloat64Array(env, text.log_probs);
    object["rawLogProbs"] = ToFloat64Array(env, text.raw_log_probs);
    SetMasses(&object, text.log_masses);
    SetMetrics(&object, text.entropies, text.self_certainties);
    object["sequence"] = static_cast<double>(text.sequence);
    return object;
  });
}

Napi::Value ToJs(Napi::Env env, const std::vector<Expansion>& expansions) {
  return ToArray(env, expansions, [&](const Expansion& expansion) {
    std::vector<llama_token> tokens;
    std::vector<double> log_probs, raw_log_probs;
    for (const TokenProbability& next : expansion.next) {
      tokens.push_back(next.token);
      log_probs.push_back(next.log_prob);
      raw_log_probs.push_back(next.raw_log_prob);
    }
    Napi::Object object = Napi::Object::New(env);
    object["sequence"] = static_cast<double>(expansion.sequence);
    object["tokens"] = ToInt32Array(env, tokens);
    object["logProbs"] = ToFloat64Array(env, log_probs);
    object["rawLogProbs"] = ToFloat64Array(env, raw_log_probs);
    // The mass belongs to the row, so all of its tokens have the same.
    if (!expansion.next.empty()) object["logMass"] = expansion.next.front().log_mass;
    return object;
  });
}

Napi::Value ToJs(Napi::Env env, const SessionStatus& status) {
  Napi::Object result = Napi::Object::New(env);
  const auto set = [&](const char* name, int64_t value) {
    result[name] = static_cast<double>(value);
  };
  set("prefilled", status.counters.prefilled);
  set("generated", status.counters.generated);
  set("decoded", status.counters.decoded);
  set("scored", status.counters.scored);
  set("forks", status.counters.forks);
  set("restored", status.counters.restored);
  set("decodes", status.decode_counters.decodes);
  set("contextDecodes", status.context_decodes);
  set("decodeNs", status.decode_counters.decode_ns);
  set("deviceDraws", status.decode_counters.device_draws);
  set("attentionNs", status.decode_counters.attention_ns);
  set("samplingNs", status.decode_counters.sampling_ns);
  set("callNs", status.decode_counters.call_ns);
  set("cells", status.cells);
  set("usedCells", status.used_cells);
  set("sequences", static_cast<int64_t>(status.sequences));
  set("freeSequences", status.free_sequences);
  return result;
}

}  // namespace llama_ets
