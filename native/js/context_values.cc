#include "js/context_values.h"

#include <algorithm>
#include <map>
#include <string>

#include "files/engine.h"
#include "files/engine_error.h"
#include "js/arguments.h"

namespace llama_ets {
namespace {

constexpr int64_t kMaxHandle = (int64_t{1} << 53) - 1;
constexpr uint32_t kMaxDraws = 1 << 20;

// Reads an array of requests, each by `read`.
template <typename Request, typename Read>
std::vector<Request> ReadRequests(Napi::Value value, const std::string& name, Read read) {
  const Napi::Array array = ReadArray(value, name, kMaxDraws);
  std::vector<Request> requests;
  requests.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(value.Env());
    const Napi::Value element = array[i];
    requests.push_back(read(ReadObject(element, name + "[i]")));
  }
  return requests;
}

std::vector<llama_token> ReadSomeTokens(Napi::Value value, int32_t vocab_size) {
  std::vector<llama_token> tokens = ReadTokens(value, "tokens", vocab_size);
  if (tokens.empty()) throw EngineError("ERR_INVALID_ARGUMENT", "Expected at least one token");
  return tokens;
}

// What a text has so far; left out where there is no grammar to read it.
std::vector<llama_token> ReadText(Napi::Object object, int32_t vocab_size) {
  const Napi::Value text = object.Get("text");
  return text.IsUndefined() ? std::vector<llama_token>{} : ReadTokens(text, "text", vocab_size);
}

Draw ReadDraw(Napi::Object object, int32_t vocab_size) {
  Draw draw;
  draw.parent = ReadHandle(object.Get("parent"));
  draw.stream = ReadWords<3>(object.Get("stream"), "stream");
  draw.position =
      static_cast<uint32_t>(ReadInteger(object.Get("position"), "position", 0, 1 << 30));
  draw.max_tokens =
      static_cast<int32_t>(ReadInteger(object.Get("maxTokens"), "maxTokens", 1, 1 << 30));
  draw.keep = ReadBoolean(object.Get("keep"), "keep");
  draw.keep_ended = ReadBoolean(object.Get("keepEnded"), "keepEnded");
  const Napi::Value pause_after = object.Get("pauseAfter");
  if (!pause_after.IsUndefined()) {
    draw.pause_after = static_cast<int32_t>(ReadInteger(pause_after, "pauseAfter", 0, 1 << 30));
  }
  draw.text = ReadTokens(object.Get("text"), "text", vocab_size);
  return draw;
}

BlockEnd ReadBlockEnd(Napi::Value value) {
  if (value.IsUndefined()) return BlockEnd::kNone;
  const std::string name = ReadString(value, "pause");
  if (name == "line") return BlockEnd::kLine;
  if (name == "sentence") return BlockEnd::kSentence;
  if (name == "entropy") return BlockEnd::kEntropy;
  throw EngineError("ERR_INVALID_ARGUMENT",
                    "Expected `pause` to be \"line\", \"sentence\" or \"entropy\"");
}

std::optional<AnswerEnd> ReadAnswerEnd(Napi::Value value) {
  if (value.IsNull()) return std::nullopt;
  const Napi::Object object = ReadObject(value, "answerEnd");
  AnswerEnd answer_end{ReadString(object.Get("mark"), "mark"),
                       ReadString(object.Get("end"), "end")};
  if (answer_end.mark.empty() || answer_end.end.empty()) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected a `mark` and an `end` that aren't empty");
  }
  return answer_end;
}

std::optional<ThoughtRules> ReadThoughts(Napi::Value value, int32_t vocab_size) {
  if (value.IsUndefined()) return std::nullopt;
  const Napi::Object object = ReadObject(value, "thoughts");
  ThoughtRules rules;
  rules.start = ReadString(object.Get("start"), "start");
  const Napi::Array ends = ReadArray(object.Get("ends"), "ends", 64);
  for (uint32_t i = 0; i < ends.Length(); ++i) {
    const Napi::Value end = ends[i];
    rules.ends.push_back(ReadString(end, "ends[i]"));
  }
  const bool has_empty = std::any_of(rules.ends.begin(), rules.ends.end(),
                                     [](const std::string& end) { return end.empty(); });
  rules.opens_anywhere = ReadBoolean(object.Get("opensAnywhere"), "opensAnywhere");
  rules.begins_inside = ReadBoolean(object.Get("beginsInside"), "beginsInside");
  const Napi::Value budget = object.Get("budget");
  if (!budget.IsNull()) {
    rules.budget = static_cast<int32_t>(ReadInteger(budget, "budget", 0, 1 << 30));
  }
  rules.cuts_loops = ReadBoolean(object.Get("cutsLoops"), "cutsLoops");
  rules.stops = ReadBoolean(object.Get("stops"), "stops");
  rules.closing = ReadTokens(object.Get("closing"), "closing", vocab_size);
  if (rules.start.empty() || rules.ends.empty() || has_empty || rules.closing.empty()) {
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected `thoughts` with a `start`, `ends` and a `closing`, none empty");
  }
  return rules;
}

// What was not asked for is left out.
void SetMetrics(Napi::Object* object, const std::vector<double>& entropies,
                const std::vector<double>& self_certainties) {
  const Napi::Env env = object->Env();
  if (!entropies.empty()) (*object)["entropies"] = ToFloat64Array(env, entropies);
  if (!self_certainties.empty()) {
    (*object)["selfCertainties"] = ToFloat64Array(env, self_certainties);
  }
}

// Left out without a grammar.
void SetMasses(Napi::Object* object, const std::vector<double>& log_masses) {
  if (log_masses.empty()) return;
  (*object)["logMasses"] = ToFloat64Array(object->Env(), log_masses);
}

const char* NameOf(Finish finish) {
  switch (finish) {
    case Finish::kEnd:
      return "end";
    case Finish::kStop:
      return "stop";
    case Finish::kAnswered:
      return "answered";
    case Finish::kThoughts:
      return "thoughts";
    case Finish::kLength:
      return "length";
    case Finish::kDead:
      return "dead";
    default:
      return "budget";
  }
}

// Types that llama.cpp keeps keys and values in; of others it divides by zero.
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
  const Napi::Value on_device = object.Get("samplesOnDevice");
  if (!on_device.IsUndefined()) {
    options.samples_on_device = ReadBoolean(on_device, "samplesOnDevice");
  }
  // llama.cpp asserts these; it also clamps the batch to the context.
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

std::vector<Draw> ReadDraws(Napi::Value value, int32_t vocab_size) {
  return ReadRequests<Draw>(value, "draws",
                            [&](Napi::Object object) { return ReadDraw(object, vocab_size); });
}

GenerationOptions ReadGenerationOptions(Napi::Object object, int32_t vocab_size) {
  GenerationOptions options;
  options.sampling = ReadSampling(object.Get("sampling"), vocab_size);
  options.metrics = ReadMetrics(object.Get("metrics"));
  options.key = ReadWords<2>(object.Get("key"), "key");
  const Napi::Array stops = ReadArray(object.Get("stopStrings"), "stopStrings", 64);
  for (uint32_t i = 0; i < stops.Length(); ++i) {
    const Napi::Value stop = stops[i];
    options.stop_strings.push_back(ReadString(stop, "stopStrings[i]"));
    if (options.stop_strings.back().empty()) {
      throw EngineError("ERR_INVALID_ARGUMENT", "Expected `stopStrings` to hold no empty string");
    }
  }
  options.stop_tokens = ReadTokens(object.Get("stopTokens"), "stopTokens", vocab_size);
  options.answer_end = ReadAnswerEnd(object.Get("answerEnd"));
  options.thoughts = ReadThoughts(object.Get("thoughts"), vocab_size);
  const bool may_open =
      options.thoughts && (!options.thoughts->begins_inside || options.thoughts->opens_anywhere);
  if (!options.sampling.grammar.empty() && may_open) {
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected `thoughts` beside a grammar that the prompt has opened, and that "
                      "nothing else opens");
  }
  options.pause = ReadBlockEnd(object.Get("pause"));
  if (options.pause == BlockEnd::kEntropy && !options.metrics.entropy) {
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected `metrics` to have the entropies for `pause`");
  }
  options.max_total_tokens =
      ReadInteger(object.Get("maxTotalTokens"), "maxTotalTokens", 1, kMaxHandle);
  options.share_prefixes = ReadBoolean(object.Get("sharePrefixes"), "sharePrefixes");
  options.deadline = ReadDeadline(object.Get("timeLimitMs"), "timeLimitMs");
  return options;
}

Napi::Value ToJs(Napi::Env env, const std::vector<Continuation>& continuations) {
  Napi::Array result = Napi::Array::New(env, continuations.size());
  for (uint32_t i = 0; i < continuations.size(); ++i) {
    const Napi::HandleScope scope(env);
    const Continuation& continuation = continuations[i];
    Napi::Object object = Napi::Object::New(env);
    object["tokens"] = ToInt32Array(env, continuation.tokens);
    object["logProbs"] = ToFloat64Array(env, continuation.log_probs);
    object["rawLogProbs"] = ToFloat64Array(env, continuation.raw_log_probs);
    object["drawnLogProbs"] = ToFloat64Array(env, continuation.drawn_log_probs);
    SetMasses(&object, continuation.log_masses);
    SetMetrics(&object, continuation.entropies, continuation.self_certainties);
    object["finish"] = NameOf(continuation.finish);
    object["sequence"] = static_cast<double>(continuation.sequence);
    result[i] = object;
  }
  return result;
}

Napi::Value ToJs(Napi::Env env, const std::vector<Scores>& scores) {
  Napi::Array result = Napi::Array::New(env, scores.size());
  for (uint32_t i = 0; i < scores.size(); ++i) {
    const Napi::HandleScope scope(env);
    Napi::Object object = Napi::Object::New(env);
    object["logProbs"] = ToFloat64Array(env, scores[i].log_probs);
    object["rawLogProbs"] = ToFloat64Array(env, scores[i].raw_log_probs);
    SetMasses(&object, scores[i].log_masses);
    SetMetrics(&object, scores[i].entropies, scores[i].self_certainties);
    object["sequence"] = static_cast<double>(scores[i].sequence);
    result[i] = object;
  }
  return result;
}

Napi::Value ToJs(Napi::Env env, const std::vector<Expansion>& expansions) {
  Napi::Array result = Napi::Array::New(env, expansions.size());
  for (uint32_t i = 0; i < expansions.size(); ++i) {
    const Napi::HandleScope scope(env);
    std::vector<llama_token> tokens;
    std::vector<double> log_probs, raw_log_probs;
    for (const TokenProbability& next : expansions[i].next) {
      tokens.push_back(next.token);
      log_probs.push_back(next.log_prob);
      raw_log_probs.push_back(next.raw_log_prob);
    }
    Napi::Object object = Napi::Object::New(env);
    object["sequence"] = static_cast<double>(expansions[i].sequence);
    object["tokens"] = ToInt32Array(env, tokens);
    object["logProbs"] = ToFloat64Array(env, log_probs);
    object["rawLogProbs"] = ToFloat64Array(env, raw_log_probs);
    // Of the row, and so the same of all.
    if (!expansions[i].next.empty()) object["logMass"] = expansions[i].next.front().log_mass;
    result[i] = object;
  }
  return result;
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
