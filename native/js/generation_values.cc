#include "js/generation_values.h"

#include <algorithm>
#include <string>

#include "files/engine_error.h"
#include "js/arguments.h"
#include "js/context_values.h"

namespace llama_ets {
namespace {

// The largest number of stop strings, and of end tags of thoughts.
constexpr uint32_t kMaxStrings = 64;

bool HasEmpty(const std::vector<std::string>& strings) {
  return std::any_of(strings.begin(), strings.end(),
                     [](const std::string& string) { return string.empty(); });
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
  rules.ends = ReadStrings(object.Get("ends"), "ends", kMaxStrings);
  rules.opens_anywhere = ReadBoolean(object.Get("opensAnywhere"), "opensAnywhere");
  rules.begins_inside = ReadBoolean(object.Get("beginsInside"), "beginsInside");
  const Napi::Value budget = object.Get("budget");
  if (!budget.IsNull()) {
    rules.budget = static_cast<int32_t>(ReadInteger(budget, "budget", 0, 1 << 30));
  }
  rules.cuts_loops = ReadBoolean(object.Get("cutsLoops"), "cutsLoops");
  rules.stops = ReadBoolean(object.Get("stops"), "stops");
  rules.closing = ReadTokens(object.Get("closing"), "closing", vocab_size);
  if (rules.start.empty() || rules.ends.empty() || HasEmpty(rules.ends) || rules.closing.empty()) {
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected `thoughts` with a `start`, `ends` and a `closing`, none empty");
  }
  return rules;
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

}  // namespace

std::vector<Draw> ReadDraws(Napi::Value value, int32_t vocab_size) {
  return ReadRequests<Draw>(value, "draws",
                            [&](Napi::Object object) { return ReadDraw(object, vocab_size); });
}

GenerationOptions ReadGenerationOptions(Napi::Object object, int32_t vocab_size) {
  GenerationOptions options;
  options.sampling = ReadSampling(object.Get("sampling"), vocab_size);
  options.metrics = ReadMetrics(object.Get("metrics"));
  options.key = ReadWords<2>(object.Get("key"), "key");
  options.stop_strings = ReadStrings(object.Get("stopStrings"), "stopStrings", kMaxStrings);
  if (HasEmpty(options.stop_strings)) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `stopStrings` to hold no empty string");
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
  return ToArray(env, continuations, [&](const Continuation& continuation) {
    Napi::Object object = Napi::Object::New(env);
    object["tokens"] = ToInt32Array(env, continuation.tokens);
    object["logProbs"] = ToFloat64Array(env, continuation.log_probs);
    object["rawLogProbs"] = ToFloat64Array(env, continuation.raw_log_probs);
    object["drawnLogProbs"] = ToFloat64Array(env, continuation.drawn_log_probs);
    SetMasses(&object, continuation.log_masses);
    SetMetrics(&object, continuation.entropies, continuation.self_certainties);
    object["finish"] = NameOf(continuation.finish);
    object["sequence"] = static_cast<double>(continuation.sequence);
    return object;
  });
}

}  // namespace llama_ets
