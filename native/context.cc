#include "context.h"

#include <chrono>
#include <string>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "engine.h"
#include "engine_error.h"
#include "generation.h"
#include "model.h"
#include "scoring.h"

namespace llama_ets {
namespace {

constexpr int64_t kMaxHandle = (int64_t{1} << 53) - 1;
constexpr uint32_t kMaxDraws = 1 << 20;
constexpr int32_t kMaxThreads = 512;

SequenceHandle ReadHandle(Napi::Value value) {
  return ReadInteger(value, "sequence", 1, kMaxHandle);
}

Session& Opened(std::unique_ptr<Session>* session) {
  if (!*session) throw EngineError("ERR_DISPOSED", "The context was disposed");
  return **session;
}

const SharedModel& ReadModel(Napi::Env env, Napi::Value value) {
  const bool is_model = value.IsObject() && value.As<Napi::Object>().InstanceOf(
                                                env.GetInstanceData<Addon>()->model.Value());
  if (!is_model) throw EngineError("ERR_INVALID_ARGUMENT", "Expected `model` to be a Model");
  return Model::Unwrap(value.As<Napi::Object>())->shared();
}

SessionOptions ReadSessionOptions(Napi::Value value) {
  const Napi::Object object = ReadObject(value, "options");
  const auto read = [&](const char* name, int64_t min, int64_t max) {
    return ReadInteger(object.Get(name), name, min, max);
  };
  SessionOptions options;
  options.cells = static_cast<uint32_t>(read("cells", 1, 1 << 30));
  options.max_sequences = static_cast<uint32_t>(
      read("maxSequences", 1, static_cast<int64_t>(Engine().llama_max_parallel_sequences())));
  options.batch_size = static_cast<uint32_t>(read("batchSize", 1, 1 << 20));
  options.max_outputs = static_cast<uint32_t>(read("maxOutputs", 1, 1 << 20));
  options.threads = static_cast<int32_t>(read("threads", 1, kMaxThreads));
  options.batch_threads = static_cast<int32_t>(read("batchThreads", 1, kMaxThreads));
  options.flash_attention = static_cast<int32_t>(read("flashAttention", -1, 1));
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

Draw ReadDraw(Napi::Value value) {
  const Napi::Object object = ReadObject(value, "draws[i]");
  Draw draw;
  draw.parent = ReadHandle(object.Get("parent"));
  const Napi::Array stream = ReadArray(object.Get("stream"), "stream", 3);
  for (uint32_t i = 0; i < 3; ++i) {
    const Napi::Value word = stream[i];
    draw.stream[i] = static_cast<uint32_t>(ReadInteger(word, "stream", 0, UINT32_MAX));
  }
  draw.position =
      static_cast<uint32_t>(ReadInteger(object.Get("position"), "position", 0, 1 << 30));
  draw.max_tokens =
      static_cast<int32_t>(ReadInteger(object.Get("maxTokens"), "maxTokens", 1, 1 << 30));
  draw.keep = ReadBoolean(object.Get("keep"), "keep");
  draw.tail = ReadString(object.Get("tail"), "tail");
  return draw;
}

GenerationOptions ReadGenerationOptions(Napi::Object object, int32_t vocab_size) {
  GenerationOptions options;
  options.sampling = ReadSampling(object.Get("sampling"), vocab_size);
  const Napi::Array key = ReadArray(object.Get("key"), "key", 2);
  for (uint32_t i = 0; i < 2; ++i) {
    const Napi::Value word = key[i];
    options.key[i] = static_cast<uint32_t>(ReadInteger(word, "key", 0, UINT32_MAX));
  }
  options.stop_tokens = ReadTokens(object.Get("stopTokens"), "stopTokens", vocab_size);
  const Napi::Array stops = ReadArray(object.Get("stopStrings"), "stopStrings", 64);
  for (uint32_t i = 0; i < stops.Length(); ++i) {
    const Napi::Value stop = stops[i];
    options.stop_strings.push_back(ReadString(stop, "stopStrings[i]"));
    if (options.stop_strings.back().empty()) {
      throw EngineError("ERR_INVALID_ARGUMENT", "Expected `stopStrings` to hold no empty string");
    }
  }
  options.max_total_tokens =
      ReadInteger(object.Get("maxTotalTokens"), "maxTotalTokens", 1, kMaxHandle);
  const Napi::Value time_limit = object.Get("timeLimitMs");
  if (!time_limit.IsNull()) {
    const double milliseconds = ReadNumber(time_limit, "timeLimitMs", 0, 1e12);
    options.deadline = std::chrono::steady_clock::now() +
                       std::chrono::microseconds(static_cast<int64_t>(milliseconds * 1000));
  }
  return options;
}

const char* NameOf(Finish finish) {
  switch (finish) {
    case Finish::kEnd:
      return "end";
    case Finish::kStop:
      return "stop";
    case Finish::kLength:
      return "length";
    default:
      return "budget";
  }
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
    result[i] = object;
  }
  return result;
}

struct SessionStatus {
  Counters counters;
  int64_t cells, used_cells;
  size_t sequences;
  int32_t free_sequences;
};

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
  set("decodes", status.counters.decodes);
  set("cells", status.cells);
  set("usedCells", status.used_cells);
  set("sequences", static_cast<int64_t>(status.sequences));
  set("freeSequences", status.free_sequences);
  return result;
}

Napi::Value ToNumber(Napi::Env env, const int64_t* number) {
  return Napi::Number::New(env, static_cast<double>(*number));
}

}  // namespace

Napi::Function Context::Define(Napi::Env env) {
  return DefineClass(
      env, "Context",
      {InstanceMethod<&Context::Open>("open"), InstanceMethod<&Context::Create>("create"),
       InstanceMethod<&Context::Fork>("fork"), InstanceMethod<&Context::Truncate>("truncate"),
       InstanceMethod<&Context::Free>("free"), InstanceMethod<&Context::Clear>("clear"),
       InstanceMethod<&Context::Prefill>("prefill"), InstanceMethod<&Context::Logits>("logits"),
       InstanceMethod<&Context::Generate>("generate"), InstanceMethod<&Context::Score>("score"),
       InstanceMethod<&Context::TimeDecodes>("timeDecodes"),
       InstanceMethod<&Context::SetThreads>("setThreads"),
       InstanceMethod<&Context::Status>("status"), InstanceMethod<&Context::Progress>("progress"),
       InstanceMethod<&Context::Abort>("abort"), InstanceMethod<&Context::Close>("close")});
}

Context::Context(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Context>(info),
      worker_(std::make_unique<Worker>(info.Env(), info.This().As<Napi::Object>())) {}

void Context::RequireOpen() const {
  if (!open_) throw EngineError("ERR_DISPOSED", "The context is not open");
}

template <typename Result, typename Work, typename Convert>
Napi::Value Context::Run(Napi::Env env, Work work, Convert convert) {
  RequireOpen();
  return worker_->Run<Result>(
      env, [work](std::unique_ptr<Session>* session) { return work(&Opened(session)); },
      [convert](Napi::Env env, Result* result) -> Napi::Value { return convert(env, result); });
}

template <typename Work>
Napi::Value Context::RunWithoutResult(Napi::Env env, Work work) {
  RequireOpen();
  return worker_->Run<bool>(
      env,
      [work](std::unique_ptr<Session>* session) {
        work(&Opened(session));
        return true;
      },
      [](Napi::Env env, bool*) -> Napi::Value { return env.Undefined(); });
}

// open(model, options) -> cells
Napi::Value Context::Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const SharedModel model = ReadModel(env, info[0]);
    const SessionOptions options = ReadSessionOptions(info[1]);
    if (vocab_size_ > 0) throw EngineError("ERR_INVALID_STATE", "The context was opened before");
    vocab_size_ = Engine().llama_vocab_n_tokens(Engine().llama_model_get_vocab(model.get()));
    open_ = true;
    JobMonitor* monitor = &worker_->monitor();
    return worker_->Run<int64_t>(
        env,
        [model, options, monitor](std::unique_ptr<Session>* session) {
          *session = std::make_unique<Session>(model, options, monitor);
          return (*session)->cells();
        },
        ToNumber);
  });
}

// create() -> sequence
Napi::Value Context::Create(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    return Run<int64_t>(
        info.Env(), [](Session* session) { return session->Create(); }, ToNumber);
  });
}

// fork(sequence) -> sequence
Napi::Value Context::Fork(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle parent = ReadHandle(info[0]);
    return Run<int64_t>(
        info.Env(), [parent](Session* session) { return session->Fork(parent); }, ToNumber);
  });
}

// truncate(sequence, length)
Napi::Value Context::Truncate(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle sequence = ReadHandle(info[0]);
    const auto length = static_cast<llama_pos>(ReadInteger(info[1], "length", 0, 1 << 30));
    return RunWithoutResult(
        info.Env(), [sequence, length](Session* session) { session->Truncate(sequence, length); });
  });
}

// free(sequence)
Napi::Value Context::Free(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle sequence = ReadHandle(info[0]);
    return RunWithoutResult(info.Env(), [sequence](Session* session) { session->Free(sequence); });
  });
}

// clear(): frees all sequences
Napi::Value Context::Clear(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    return RunWithoutResult(info.Env(), [](Session* session) { session->Clear(); });
  });
}

// prefill([{ sequence, tokens }])
Napi::Value Context::Prefill(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    RequireOpen();
    const Napi::Array array = ReadArray(info[0], "requests", kMaxDraws);
    std::vector<PrefillRequest> requests;
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const Napi::Value value = array[i];
      const Napi::Object object = ReadObject(value, "requests[i]");
      requests.push_back({ReadHandle(object.Get("sequence")),
                          ReadTokens(object.Get("tokens"), "tokens", vocab_size_)});
      if (requests.back().tokens.empty()) {
        throw EngineError("ERR_INVALID_ARGUMENT", "Expected at least one token to prefill");
      }
    }
    if (requests.empty()) throw EngineError("ERR_INVALID_ARGUMENT", "Expected a request");
    return RunWithoutResult(info.Env(),
                            [requests](Session* session) { session->Prefill(requests); });
  });
}

// logits(sequence) -> Float32Array(vocabSize), of the token after the sequence
Napi::Value Context::Logits(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle sequence = ReadHandle(info[0]);
    return Run<LogitsRow>(
        info.Env(), [sequence](Session* session) { return session->Logits(sequence); },
        [](Napi::Env env, LogitsRow* row) -> Napi::Value {
          Napi::Float32Array array = Napi::Float32Array::New(env, (*row)->size());
          std::copy((*row)->begin(), (*row)->end(), array.Data());
          return array;
        });
  });
}

// generate({ draws: [{ parent, stream: [3], position, maxTokens, keep, tail }], sampling, key: [2],
//   stopTokens, stopStrings, maxTotalTokens, timeLimitMs }) -> continuations
Napi::Value Context::Generate(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    RequireOpen();
    const Napi::Object request = ReadObject(info[0], "request");
    const Napi::Array array = ReadArray(request.Get("draws"), "draws", kMaxDraws);
    std::vector<Draw> draws;
    draws.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const Napi::HandleScope scope(info.Env());
      const Napi::Value draw = array[i];
      draws.push_back(ReadDraw(draw));
    }
    const GenerationOptions options = ReadGenerationOptions(request, vocab_size_);
    return Run<std::vector<Continuation>>(
        info.Env(),
        [draws, options](Session* session) { return llama_ets::Generate(session, draws, options); },
        [](Napi::Env env, std::vector<Continuation>* result) { return ToJs(env, *result); });
  });
}

// score([{ parent, tokens }], sampling) -> [{ logProbs, rawLogProbs }]
Napi::Value Context::Score(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    RequireOpen();
    const Napi::Array array = ReadArray(info[0], "requests", kMaxDraws);
    std::vector<ScoreRequest> requests;
    requests.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const Napi::HandleScope scope(info.Env());
      const Napi::Value value = array[i];
      const Napi::Object object = ReadObject(value, "requests[i]");
      requests.push_back({ReadHandle(object.Get("parent")),
                          ReadTokens(object.Get("tokens"), "tokens", vocab_size_)});
      if (requests.back().tokens.empty()) {
        throw EngineError("ERR_INVALID_ARGUMENT", "Expected at least one token to score");
      }
    }
    const Sampling sampling = ReadSampling(info[1], vocab_size_);
    return Run<std::vector<Scores>>(
        info.Env(),
        [requests, sampling](Session* session) {
          return llama_ets::Score(session, requests, sampling);
        },
        [](Napi::Env env, std::vector<Scores>* result) { return ToJs(env, *result); });
  });
}

// timeDecodes(threads, count, limitMs) -> Float64Array of milliseconds
Napi::Value Context::TimeDecodes(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const auto threads = static_cast<int32_t>(ReadInteger(info[0], "threads", 1, kMaxThreads));
    const auto count = static_cast<int32_t>(ReadInteger(info[1], "count", 1, 1000));
    const double limit_ms = ReadNumber(info[2], "limitMs", 0, 1e9);
    return Run<std::vector<double>>(
        info.Env(),
        [threads, count, limit_ms](Session* session) {
          return session->TimeDecodes(threads, count, limit_ms);
        },
        [](Napi::Env env, std::vector<double>* times) -> Napi::Value {
          return ToFloat64Array(env, *times);
        });
  });
}

// setThreads(threads, batchThreads)
Napi::Value Context::SetThreads(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const auto threads = static_cast<int32_t>(ReadInteger(info[0], "threads", 1, kMaxThreads));
    const auto batch_threads =
        static_cast<int32_t>(ReadInteger(info[1], "batchThreads", 1, kMaxThreads));
    return RunWithoutResult(info.Env(), [threads, batch_threads](Session* session) {
      session->SetThreads(threads, batch_threads);
    });
  });
}

// status() -> counters and occupancy
Napi::Value Context::Status(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    return Run<SessionStatus>(
        info.Env(),
        [](Session* session) -> SessionStatus {
          return {session->counters, session->cells(), session->used_cells(),
                  session->sequence_count(), session->free_slots()};
        },
        [](Napi::Env env, SessionStatus* status) { return ToJs(env, *status); });
  });
}

// progress() -> tokens generated so far by the running generate call; at once, not a promise
Napi::Value Context::Progress(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(worker_->monitor().generated.load()));
}

// abort(): what runs and waits rejects with ERR_ABORTED
Napi::Value Context::Abort(const Napi::CallbackInfo& info) {
  worker_->monitor().Abort();
  return info.Env().Undefined();
}

// close() waits for earlier calls, then frees the context
Napi::Value Context::Close(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    RequireOpen();
    open_ = false;
    return worker_->Run<bool>(
        info.Env(),
        [](std::unique_ptr<Session>* session) {
          session->reset();
          return true;
        },
        [](Napi::Env env, bool*) -> Napi::Value { return env.Undefined(); });
  });
}

}  // namespace llama_ets
