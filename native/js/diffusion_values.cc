#include "js/diffusion_values.h"

#include <cstring>
#include <string>
#include <utility>

#include "files/engine_error.h"
#include "js/arguments.h"
#include "js/context_values.h"

namespace llama_ets {
namespace {

// The largest length. A position and a step share one word of the random counter, with 16 bits
// each. The limit leaves room for parallel decoding, which may take more steps than the schedule
// has.
constexpr int32_t kMaxLength = (1 << 15) - 1;
constexpr int32_t kMaxTexts = 100;
constexpr uint32_t kMaxRequests = 1 << 20;
constexpr int64_t kMaxWidth = 1024;  // of a search
constexpr int64_t kMaxCount = (int64_t{1} << 53) - 1;

[[noreturn]] void Refuse(const std::string& message) {
  throw EngineError("ERR_INVALID_ARGUMENT", message);
}

template <typename Choice, size_t N>
Choice ReadChoice(Napi::Value value, const std::string& name,
                  const std::pair<const char*, Choice> (&choices)[N]) {
  const std::string text = ReadString(value, name);
  for (const auto& [choice, meaning] : choices) {
    if (text == choice) return meaning;
  }
  Refuse("Unknown `" + name + "`: " + text);
}

DiffusionCache ReadCache(Napi::Value value) {
  return ReadChoice<DiffusionCache>(value, "cache",
                                    {{"none", DiffusionCache::kNone},
                                     {"prefix", DiffusionCache::kPrefix},
                                     {"dual", DiffusionCache::kDual}});
}

Remasking ReadRemasking(Napi::Value value) {
  return ReadChoice<Remasking>(value, "remasking",
                               {{"low-confidence", Remasking::kLowConfidence},
                                {"random", Remasking::kRandom},
                                {"entropy", Remasking::kEntropy},
                                {"margin", Remasking::kMargin}});
}

std::optional<double> ReadOptional(Napi::Value value, const std::string& name, double max) {
  if (value.IsNull()) return std::nullopt;
  return ReadNumber(value, name, 0, max);
}

double ReadGuidance(Napi::Value value, const DiffusionSessionOptions& session) {
  const double guidance = ReadNumber(value, "cfgScale", 0, 100);
  if (guidance > 0 && !session.guidance) {
    Refuse("Expected the context to be opened with `guidance`, for `cfgScale` above 0");
  }
  return guidance;
}

std::vector<llama_token> ReadPrompt(Napi::Value value, int32_t vocab_size) {
  std::vector<llama_token> prompt = ReadTokens(value, "prompt", vocab_size);
  if (prompt.empty()) Refuse("Expected `prompt` to hold at least one token");
  return prompt;
}

void RefuseTooLong(size_t prompt, size_t text, const DiffusionSessionOptions& session) {
  const size_t most = static_cast<size_t>(session.length);
  if (text > 0 && prompt <= most && text <= most - prompt) return;
  if (text == 0) Refuse("Expected texts of at least one position");
  throw EngineError("ERR_CONTEXT_FULL", "The prompt has " + std::to_string(prompt) +
                                            " tokens and the text " + std::to_string(text) +
                                            "; the context holds " + std::to_string(most));
}

}  // namespace

DiffusionSessionOptions ReadDiffusionOptions(Napi::Value value) {
  const Napi::Object object = ReadObject(value, "options");
  const auto read = [&](const char* name, int64_t min, int64_t max) {
    return static_cast<int32_t>(ReadInteger(object.Get(name), name, min, max));
  };
  DiffusionSessionOptions options;
  options.length = read("length", 2, kMaxLength);
  options.max_texts = read("texts", 1, kMaxTexts);
  options.cache = ReadCache(object.Get("cache"));
  options.single_precision = ReadBoolean(object.Get("singlePrecision"), "singlePrecision");
  options.knows_state = ReadBoolean(object.Get("knowsState"), "knowsState");
  options.guidance = ReadBoolean(object.Get("guidance"), "guidance");
  options.batch_tokens = read("batchTokens", 1, 1 << 20);
  options.threads = read("threads", 1, kMaxThreads);
  return options;
}

namespace {

// Reads the texts of a request, which all have the same length. `read` makes a text from an object
// and its tokens.
template <typename Text, typename Read>
std::vector<Text> ReadTexts(const Napi::Object& request, const std::string& name, uint32_t most,
                            const std::vector<llama_token>& prompt, int32_t vocab_size,
                            const DiffusionSessionOptions& session, Read read) {
  size_t length = 0;
  const auto read_text = [&](Napi::Value element, const std::string& each) {
    const Napi::Object text = ReadObject(element, each);
    std::vector<llama_token> tokens = ReadTokens(text.Get("tokens"), "tokens", vocab_size);
    RefuseTooLong(prompt.size(), tokens.size(), session);
    if (length == 0) length = tokens.size();
    if (tokens.size() != length) Refuse("Expected all texts to be of one length");
    return read(text, std::move(tokens));
  };
  std::vector<Text> texts = ReadEach<Text>(request.Get(name), name, most, read_text);
  if (texts.empty()) Refuse("Expected at least one text");
  return texts;
}

// Reads the options that denoising and searching have in common. `length` is the length of the
// texts.
void ReadDenoisingOptions(const Napi::Object& object, size_t length, int32_t vocab_size,
                          const DiffusionSessionOptions& session, DenoisingOptions* options) {
  const auto read = [&](const char* name, int64_t min, int64_t max) {
    return static_cast<int32_t>(ReadInteger(object.Get(name), name, min, max));
  };
  const auto positions = static_cast<int32_t>(length);
  options->block_length = read("blockLength", 1, positions);
  const int32_t steps = read("steps", 1, positions);
  const int32_t blocks = positions / options->block_length;
  if (positions % options->block_length != 0 || steps % blocks != 0) {
    Refuse("Expected `blockLength` to divide the texts' length, and the blocks to divide `steps`");
  }
  options->block_steps = steps / blocks;
  options->from = read("from", 0, steps);
  options->to = read("to", options->from, steps);
  options->sampling = ReadSampling(object.Get("sampling"), vocab_size);
  options->key = ReadWords<2>(object.Get("key"), "key");
  options->remasking = ReadRemasking(object.Get("remasking"));
  options->guidance = ReadGuidance(object.Get("cfgScale"), session);
  options->max_total_tokens =
      ReadInteger(object.Get("maxTotalTokens"), "maxTotalTokens", 1, kMaxCount);
  options->deadline = ReadDeadline(object.Get("timeLimitMs"), "timeLimitMs");
}

}  // namespace

DenoiseRequest ReadDenoiseRequest(Napi::Value value, int32_t vocab_size,
                                  const DiffusionSessionOptions& session) {
  const Napi::Object object = ReadObject(value, "request");
  DenoiseRequest request;
  DenoisingOptions& options = request.options;
  options.prompt = ReadPrompt(object.Get("prompt"), vocab_size);
  request.texts = ReadTexts<NoisyText>(
      object, "texts", kMaxRequests, options.prompt, vocab_size, session,
      [](const Napi::Object& text, std::vector<llama_token> tokens) -> NoisyText {
        return {std::move(tokens), ReadWords<3>(text.Get("stream"), "stream")};
      });
  const size_t length = request.texts.front().tokens.size();
  ReadDenoisingOptions(object, length, vocab_size, session, &options);
  options.parallel.threshold = ReadOptional(object.Get("threshold"), "threshold", 1);
  options.parallel.factor = ReadOptional(object.Get("factor"), "factor", 1e6);
  const bool is_parallel = options.parallel.is_on();
  if (is_parallel &&
      (options.to % options.block_steps != 0 || options.remasking != Remasking::kLowConfidence)) {
    Refuse("Expected parallel decoding to end with a block and to go by low-confidence");
  }
  options.stop_at_end = ReadBoolean(object.Get("stopAtEnd"), "stopAtEnd");
  return request;
}

SearchRequest ReadSearchRequest(Napi::Value value, int32_t vocab_size,
                                const DiffusionSessionOptions& session) {
  const Napi::Object object = ReadObject(value, "request");
  SearchRequest request;
  SearchOptions& options = request.options;
  DenoisingOptions& denoising = options.denoising;
  denoising.prompt = ReadPrompt(object.Get("prompt"), vocab_size);
  // With a cache, each hypothesis that goes on keeps its keys and values.
  const int64_t most = session.cache == DiffusionCache::kNone ? kMaxWidth : session.max_texts;
  request.hypotheses = ReadTexts<Hypothesis>(
      object, "texts", static_cast<uint32_t>(most), denoising.prompt, vocab_size, session,
      [](const Napi::Object& text, std::vector<llama_token> tokens) -> Hypothesis {
        return {std::move(tokens), ReadNumber(text.Get("logProb"), "logProb", -1e12, 1)};
      });
  const size_t length = request.hypotheses.front().tokens.size();
  ReadDenoisingOptions(object, length, vocab_size, session, &denoising);
  denoising.stop_at_end = true;
  options.stream = ReadWords<3>(object.Get("stream"), "stream");
  options.width = static_cast<size_t>(ReadInteger(object.Get("width"), "width", 1, most));
  options.wanted = static_cast<size_t>(ReadInteger(object.Get("wanted"), "wanted", 1, kMaxWidth));
  return request;
}

ScoreStatesRequest ReadScoreStatesRequest(Napi::Value value, int32_t vocab_size,
                                          const DiffusionSessionOptions& session) {
  const Napi::Object object = ReadObject(value, "request");
  ScoreStatesRequest request;
  request.prompt = ReadPrompt(object.Get("prompt"), vocab_size);
  const auto read_state = [&](Napi::Value element, const std::string& each) {
    const Napi::Object state = ReadObject(element, each);
    ScoredState scored;
    scored.tokens = ReadTokens(state.Get("tokens"), "tokens", vocab_size);
    RefuseTooLong(request.prompt.size(), scored.tokens.size(), session);
    scored.targets = ReadTokens(state.Get("targets"), "targets", vocab_size, -1);
    if (scored.targets.size() != scored.tokens.size()) {
      Refuse("Expected `targets` to have one element a position");
    }
    return scored;
  };
  request.states = ReadEach<ScoredState>(object.Get("states"), "states", kMaxRequests, read_state);
  request.sampling = ReadSampling(object.Get("sampling"), vocab_size);
  request.guidance = ReadGuidance(object.Get("cfgScale"), session);
  return request;
}

namespace {

const char* NameOf(DenoisingFinish finish) {
  switch (finish) {
    case DenoisingFinish::kEnd:
      return "end";
    case DenoisingFinish::kLength:
      return "length";
    case DenoisingFinish::kSchedule:
      return "schedule";
    default:
      return "budget";
  }
}

Napi::Object ToObject(Napi::Env env, const DenoisedText& text) {
  Napi::Object object = Napi::Object::New(env);
  object["tokens"] = ToInt32Array(env, text.tokens);
  object["order"] = ToInt32Array(env, text.order);
  object["logProbs"] = ToFloat64Array(env, text.log_probs);
  object["rawLogProbs"] = ToFloat64Array(env, text.raw_log_probs);
  object["steps"] = text.steps;
  object["finish"] = NameOf(text.finish);
  return object;
}

}  // namespace

Napi::Value ToJs(Napi::Env env, const std::vector<DenoisedText>& texts) {
  return ToArray(env, texts, [&](const DenoisedText& text) { return ToObject(env, text); });
}

Napi::Value ToJs(Napi::Env env, const std::vector<FoundText>& texts) {
  return ToArray(env, texts, [&](const FoundText& found) {
    Napi::Object object = ToObject(env, found.text);
    object["logProb"] = found.log_prob;
    object["origin"] = static_cast<double>(found.origin);
    return object;
  });
}

Napi::Value ToJs(Napi::Env env, const std::vector<std::vector<double>>& scores) {
  return ToArray(env, scores,
                 [&](const std::vector<double>& row) { return ToFloat64Array(env, row); });
}

Napi::Value ToJs(Napi::Env env, const DiffusionStatus& status) {
  Napi::Object result = Napi::Object::New(env);
  const auto set = [&](const char* name, int64_t value) {
    result[name] = static_cast<double>(value);
  };
  set("fullPasses", status.counters.full_passes);
  set("blockPasses", status.counters.block_passes);
  set("positions", status.counters.positions);
  set("unmasked", status.counters.unmasked);
  set("scored", status.counters.scored);
  set("shared", status.counters.shared);
  set("decodes", status.decode_counters.decodes);
  set("decodeNs", status.decode_counters.decode_ns);
  set("samplingNs", status.decode_counters.sampling_ns);
  set("callNs", status.decode_counters.call_ns);
  return result;
}

Napi::Value ToJs(Napi::Env env, DiffusionCache cache) {
  switch (cache) {
    case DiffusionCache::kPrefix:
      return Napi::String::New(env, "prefix");
    case DiffusionCache::kDual:
      return Napi::String::New(env, "dual");
    default:
      return Napi::String::New(env, "none");
  }
}

}  // namespace llama_ets
