#include "js/context.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "files/engine.h"
#include "files/engine_error.h"
#include "js/arguments.h"
#include "js/context_values.h"
#include "js/generation_values.h"
#include "js/model.h"
#include "js/saved_sequence.h"

namespace llama_ets {
namespace {

constexpr napi_type_tag kContextTag = {0x6c6c616d612d6574, 0x732d636f6e746578};

Napi::Value ToNumber(Napi::Env env, const int64_t* number) {
  return Napi::Number::New(env, static_cast<double>(*number));
}

}  // namespace

Napi::Function Context::Define(Napi::Env env) {
  return DefineClass(env, "Context",
                     {InstanceMethod<&Context::Open>("open"),
                      InstanceMethod<&Context::OpenPartition>("openPartition"),
                      InstanceMethod<&Context::Create>("create"),
                      InstanceMethod<&Context::Fork>("fork"),
                      InstanceMethod<&Context::Truncate>("truncate"),
                      InstanceMethod<&Context::Free>("free"),
                      InstanceMethod<&Context::Clear>("clear"),
                      InstanceMethod<&Context::Prefill>("prefill"),
                      InstanceMethod<&Context::Logits>("logits"),
                      InstanceMethod<&Context::Save>("save"),
                      InstanceMethod<&Context::Restore>("restore"),
                      InstanceMethod<&Context::Generate>("generate"),
                      InstanceMethod<&Context::Score>("score"),
                      InstanceMethod<&Context::Classify>("classify"),
                      InstanceMethod<&Context::Expand>("expand"),
                      InstanceMethod<&Context::TimeDecodes>("timeDecodes"),
                      InstanceMethod<&Context::Status>("status"),
                      InstanceMethod<&Context::Progress>("progress"),
                      InstanceMethod<&Context::Drawn>("drawn"),
                      InstanceMethod<&Context::Abort>("abort"),
                      InstanceMethod<&Context::Close>("close")});
}

Context::Context(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Context>(info), host_(info.This().As<Napi::Object>()) {
  info.This().As<Napi::Object>().TypeTag(&kContextTag);
}

// open(model, options) -> cells; with the option `classifies`, the context classifies texts
Napi::Value Context::Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const Model& owner = Model::Read(info[0], "model");
    const SharedModel model = owner.with_weights();
    DecoderOptions options = ReadSessionOptions(info[1]);
    options.adapters = owner.adapters();
    if (ReadFlag(info[1].As<Napi::Object>(), "classifies")) {
      options.classes = static_cast<int32_t>(owner.labels().size());
      if (options.classes == 0) {
        throw EngineError("ERR_UNSUPPORTED_MODEL", "The model has no classification head");
      }
    }
    const Napi::Value cells = host_.Open(
        env,
        [model, options](JobMonitor* monitor) {
          return std::make_unique<Session>(model, options, monitor);
        },
        [](const Session& session) { return session.cells(); });
    vocab_size_ = Engine().llama_vocab_n_tokens(Engine().llama_model_get_vocab(model.get()));
    return cells;
  });
}

// openPartition(context, { cells, maxSequences, maxOutputs }) -> cells. Takes cells and sequences
// from an open context, and shares its engine thread and decodes. The context must be closed after
// it.
Napi::Value Context::OpenPartition(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    if (!info[0].IsObject() || !info[0].As<Napi::Object>().CheckTypeTag(&kContextTag)) {
      throw EngineError("ERR_INVALID_ARGUMENT", "Expected `context` to be a Context");
    }
    const Context& lender = *Unwrap(info[0].As<Napi::Object>());
    const PartitionOptions options = ReadPartitionOptions(info[1]);
    const Napi::Value cells = host_.OpenIn(
        env, lender.host_,
        [options](std::shared_ptr<Session> session, JobMonitor* monitor) {
          return std::make_shared<Session>(std::move(session), options, monitor);
        },
        [](const Session& session) { return session.cells(); });
    vocab_size_ = lender.vocab_size_;
    lender_ = Napi::Persistent(info[0].As<Napi::Object>());
    return cells;
  });
}

// create() -> sequence
Napi::Value Context::Create(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    return host_.Run<int64_t>(
        info.Env(), [](Session* session) { return session->Create(); }, ToNumber);
  });
}

// fork(sequence) -> sequence
Napi::Value Context::Fork(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle parent = ReadHandle(info[0]);
    return host_.Run<int64_t>(
        info.Env(), [parent](Session* session) { return session->Fork(parent); }, ToNumber);
  });
}

// truncate(sequence, length)
Napi::Value Context::Truncate(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle sequence = ReadHandle(info[0]);
    const auto length = static_cast<llama_pos>(ReadInteger(info[1], "length", 0, 1 << 30));
    return host_.RunWithoutResult(
        info.Env(), [sequence, length](Session* session) { session->Truncate(sequence, length); });
  });
}

// free(sequence)
Napi::Value Context::Free(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle sequence = ReadHandle(info[0]);
    return host_.RunWithoutResult(info.Env(),
                                  [sequence](Session* session) { session->Free(sequence); });
  });
}

// clear(): frees all sequences
Napi::Value Context::Clear(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    return host_.RunWithoutResult(info.Env(), [](Session* session) { session->Clear(); });
  });
}

// prefill([{ sequence, tokens }])
Napi::Value Context::Prefill(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    host_.RequireOpen();
    const std::vector<PrefillRequest> requests = ReadPrefillRequests(info[0], vocab_size_);
    return host_.RunTask<bool, Prefilling>(
        info.Env(),
        [requests](Session* session) { return std::make_unique<Prefilling>(session, requests); },
        [](Napi::Env env, bool*) -> Napi::Value { return env.Undefined(); });
  });
}

// save(sequence) -> SavedSequence
Napi::Value Context::Save(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle sequence = ReadHandle(info[0]);
    return host_.Run<std::shared_ptr<const SavedText>>(
        info.Env(), [sequence](Session* session) { return session->Save(sequence); },
        [](Napi::Env env, std::shared_ptr<const SavedText>* text) -> Napi::Value {
          return SavedSequence::Make(env, std::move(*text));
        });
  });
}

// restore(saved, length) -> sequence, with the first `length` tokens of the saved sequence
Napi::Value Context::Restore(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<const SavedText> text = SavedSequence::Read(info[0], "saved");
    const auto length = static_cast<llama_pos>(ReadInteger(info[1], "length", 1, text->length));
    return host_.Run<int64_t>(
        info.Env(), [text, length](Session* session) { return session->Restore(*text, length); },
        ToNumber);
  });
}

// logits(sequence) -> Float32Array(vocabSize): the logits of the token after the sequence
Napi::Value Context::Logits(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const SequenceHandle sequence = ReadHandle(info[0]);
    return host_.Run<LogitsRow>(
        info.Env(), [sequence](Session* session) { return session->Logits(sequence); },
        [](Napi::Env env, LogitsRow* row) -> Napi::Value {
          Napi::Float32Array array = Napi::Float32Array::New(env, (*row)->size());
          std::copy((*row)->begin(), (*row)->end(), array.Data());
          return array;
        });
  });
}

// generate({ draws: [{ parent, stream: [3], position, maxTokens, keep, keepEnded, pauseAfter,
//   text }], sampling, metrics, key: [2], stopStrings, stopTokens, answerEnd, pause,
//   maxTotalTokens, sharePrefixes, timeLimitMs })
//   -> continuations
Napi::Value Context::Generate(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    host_.RequireOpen();
    const Napi::Object request = ReadObject(info[0], "request");
    const std::vector<Draw> draws = ReadDraws(request.Get("draws"), vocab_size_);
    const GenerationOptions options = ReadGenerationOptions(request, vocab_size_);
    host_.monitor().Show({});  // removes what the previous call has drawn
    return host_.RunTask<std::vector<Continuation>, Generation>(
        info.Env(),
        [draws, options](Session* session) { return Generation::Start(session, draws, options); },
        [](Napi::Env env, std::vector<Continuation>* result) { return ToJs(env, *result); });
  });
}

// score([{ parent, tokens, keep, text? }], sampling, metrics)
//   -> [{ logProbs, rawLogProbs, logMasses?, entropies?, selfCertainties?, sequence }]
Napi::Value Context::Score(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    host_.RequireOpen();
    const std::vector<ScoreRequest> requests = ReadScoreRequests(info[0], vocab_size_);
    const Sampling sampling = ReadSampling(info[1], vocab_size_);
    const Metrics metrics = ReadMetrics(info[2]);
    return host_.RunTask<std::vector<Scores>, Scoring>(
        info.Env(),
        [requests, sampling, metrics](Session* session) {
          return std::make_unique<Scoring>(session, requests, sampling, metrics);
        },
        [](Napi::Env env, std::vector<Scores>* result) { return ToJs(env, *result); });
  });
}

// expand([{ parent, token, text? }], count, sampling)
//   -> [{ sequence, tokens, logProbs, rawLogProbs, logMass? }]
Napi::Value Context::Expand(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    host_.RequireOpen();
    const std::vector<ExpandRequest> requests = ReadExpandRequests(info[0], vocab_size_);
    const auto count = static_cast<size_t>(ReadInteger(info[1], "count", 1, kMaxRanked));
    const Sampling sampling = ReadSampling(info[2], vocab_size_);
    return host_.RunTask<std::vector<Expansion>, Expanding>(
        info.Env(),
        [requests, count, sampling](Session* session) {
          return Expanding::Start(session, requests, count, sampling);
        },
        [](Napi::Env env, std::vector<Expansion>* result) { return ToJs(env, *result); });
  });
}

// classify([{ parent, tokens }]) -> [Float64Array with one number per class]
Napi::Value Context::Classify(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    host_.RequireOpen();
    const std::vector<ClassificationRequest> requests =
        ReadClassificationRequests(info[0], vocab_size_);
    return host_.RunTask<std::vector<std::vector<double>>, Classification>(
        info.Env(),
        [requests](Session* session) {
          return std::make_unique<Classification>(session, requests);
        },
        [](Napi::Env env, std::vector<std::vector<double>>* texts) -> Napi::Value {
          Napi::Array result = Napi::Array::New(env, texts->size());
          for (uint32_t i = 0; i < texts->size(); ++i) {
            result[i] = ToFloat64Array(env, (*texts)[i]);
          }
          return result;
        });
  });
}

// timeDecodes(threads, count, limitMs) -> Float64Array of milliseconds
Napi::Value Context::TimeDecodes(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const auto threads = static_cast<int32_t>(ReadInteger(info[0], "threads", 1, kMaxThreads));
    const auto count = static_cast<int32_t>(ReadInteger(info[1], "count", 1, 1000));
    const double limit_ms = ReadNumber(info[2], "limitMs", 0, 1e9);
    return host_.Run<std::vector<double>>(
        info.Env(),
        [threads, count, limit_ms](Session* session) {
          return session->TimeDecodes(threads, count, limit_ms);
        },
        [](Napi::Env env, std::vector<double>* times) -> Napi::Value {
          return ToFloat64Array(env, *times);
        });
  });
}

// status() -> counters and occupancy
Napi::Value Context::Status(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    return host_.Run<SessionStatus>(
        info.Env(),
        [](Session* session) -> SessionStatus {
          return {session->counters,    session->decode_counters, session->engine().decodes,
                  session->cells(),     session->used_cells(),    session->sequence_count(),
                  session->free_slots()};
        },
        [](Napi::Env env, SessionStatus* status) { return ToJs(env, *status); });
  });
}

// progress() -> the number of tokens generated so far by the running generate call. Returns at
// once, not with a promise.
Napi::Value Context::Progress(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(host_.monitor().generated.load()));
}

// drawn(from) -> Int32Array: the tokens drawn so far in the first continuation of the running
// generate call, without the first `from`. Returns at once, not with a promise.
Napi::Value Context::Drawn(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    const auto from = static_cast<size_t>(ReadInteger(info[0], "from", 0, INT32_MAX));
    return ToInt32Array(info.Env(), host_.monitor().Shown(from));
  });
}

// abort(): running and waiting calls reject with ERR_ABORTED
Napi::Value Context::Abort(const Napi::CallbackInfo& info) {
  host_.monitor().Abort();
  return info.Env().Undefined();
}

// close(): waits for earlier calls, then frees the context
Napi::Value Context::Close(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value { return host_.Close(info.Env()); });
}

}  // namespace llama_ets
