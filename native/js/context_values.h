// Reads and checks the requests that JavaScript makes to a Context, and converts the results.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "decode/classification.h"
#include "decode/expansion.h"
#include "decode/prefilling.h"
#include "decode/scoring.h"
#include "decode/session.h"

namespace llama_ets {

struct SessionStatus {
  Counters counters;
  DecodeCounters decode_counters;
  int64_t context_decodes;  // by all sessions of the context; a shared decode counts once
  int64_t cells, used_cells;
  size_t sequences;
  int32_t free_sequences;
};

constexpr int32_t kMaxThreads = 512;
// The largest handle or count of tokens. A JavaScript number holds it exactly.
constexpr int64_t kMaxHandle = (int64_t{1} << 53) - 1;
// The largest number of tokens that an expansion ranks for one text.
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

// Sets the entropies and self-certainties, one per token, if they were asked for.
void SetMetrics(Napi::Object* object, const std::vector<double>& entropies,
                const std::vector<double>& self_certainties);
// Sets the log masses, one per token, if there is a grammar.
void SetMasses(Napi::Object* object, const std::vector<double>& log_masses);
Napi::Value ToJs(Napi::Env env, const std::vector<Scores>& scores);
Napi::Value ToJs(Napi::Env env, const std::vector<Expansion>& expansions);
Napi::Value ToJs(Napi::Env env, const SessionStatus& status);

}  // namespace llama_ets
