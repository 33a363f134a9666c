// Reads and checks the requests that JavaScript makes to a DiffusionContext, and converts the
// results.
#pragma once

#include <napi.h>

#include <vector>

#include "diffusion/denoising.h"
#include "diffusion/denoising_search.h"
#include "diffusion/diffusion_session.h"
#include "diffusion/state_scoring.h"

namespace llama_ets {

struct DiffusionStatus {
  DiffusionCounters counters;
  DecodeCounters decode_counters;
};

struct DenoiseRequest {
  std::vector<NoisyText> texts;
  DenoisingOptions options;
};

struct SearchRequest {
  std::vector<Hypothesis> hypotheses;
  SearchOptions options;
};

struct ScoreStatesRequest {
  std::vector<llama_token> prompt;
  std::vector<ScoredState> states;
  Sampling sampling;
  double guidance;
};

// The readers throw EngineError ERR_INVALID_ARGUMENT, or ERR_CONTEXT_FULL when a prompt and its
// text are longer than the context.
DiffusionSessionOptions ReadDiffusionOptions(Napi::Value value);
DenoiseRequest ReadDenoiseRequest(Napi::Value value, int32_t vocab_size,
                                  const DiffusionSessionOptions& session);
SearchRequest ReadSearchRequest(Napi::Value value, int32_t vocab_size,
                                const DiffusionSessionOptions& session);
ScoreStatesRequest ReadScoreStatesRequest(Napi::Value value, int32_t vocab_size,
                                          const DiffusionSessionOptions& session);

Napi::Value ToJs(Napi::Env env, const std::vector<DenoisedText>& texts);
Napi::Value ToJs(Napi::Env env, const std::vector<FoundText>& texts);
Napi::Value ToJs(Napi::Env env, const std::vector<std::vector<double>>& scores);
Napi::Value ToJs(Napi::Env env, const DiffusionStatus& status);
Napi::Value ToJs(Napi::Env env, DiffusionCache cache);

}  // namespace llama_ets
