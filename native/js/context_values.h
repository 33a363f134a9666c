// What crosses between JavaScript and a Context: requests read and checked, results converted.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "decode/classification.h"
#include "decode/expansion.h"
#include "decode/generation.h"
#include "decode/prefilling.h"
#include "decode/scoring.h"
#include "decode/session.h"

namespace llama_ets {

struct SessionStatus {
  Counters counters;
  DecodeCounters decode_counters;
  int64_t context_decodes;  // of all sessions of the context; a shared one counts once
  int64_t cells, used_cells;
  size_t sequences;
  int32_t free_sequences;
};

constexpr int32_t kMaxThreads = 512;
// Tokens that an expansion ranks for one text.
constexpr int32_t kMaxRanked = 4096;

// The readers throw EngineError ERR_INVALID_ARGUMENT.
SequenceHandle ReadHandle(Napi::Value value);
DecoderOptions ReadSessionOptions(Napi::Value value);
PartitionOptions ReadPartitionOptions(Napi::Value value);
std::vector<PrefillRequest> ReadPrefillRequests(Napi::Value value, int32_t vocab_size);
std::vector<ScoreRequest> ReadScoreRequests(Napi::Value value, int32_t vocab_size);
std::vector<ExpandRequest> ReadExpandRequests(Napi::Value value, int32_t vocab_size);
std::vector<ClassificationRequest> ReadClassificationRequests(Napi::Value value,
                                                              int32_t vocab_size);
std::vector<Draw> ReadDraws(Napi::Value value, int32_t vocab_size);
GenerationOptions ReadGenerationOptions(Napi::Object object, int32_t vocab_size);

Napi::Value ToJs(Napi::Env env, const std::vector<Continuation>& continuations);
Napi::Value ToJs(Napi::Env env, const std::vector<Scores>& scores);
Napi::Value ToJs(Napi::Env env, const std::vector<Expansion>& expansions);
Napi::Value ToJs(Napi::Env env, const SessionStatus& status);

}  // namespace llama_ets
