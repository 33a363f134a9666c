#include "diffusion/state_scoring.h"

#include <limits>

#include "decode/stopwatch.h"
#include "diffusion/state_reader.h"
#include "sampling/row_sampler.h"

namespace llama_ets {

std::vector<std::vector<double>> ScoreStates(DiffusionSession* session,
                                             const std::vector<llama_token>& prompt,
                                             const std::vector<ScoredState>& states,
                                             const Sampling& sampling, double guidance) {
  const Stopwatch stopwatch(&session->decode_counters.call_ns);
  const auto prompt_length = static_cast<int32_t>(prompt.size());
  StateReader reader(session, prompt_length, guidance);
  RowSampler sampler(session, sampling);
  std::vector<std::vector<llama_token>> texts;
  std::vector<StateRead> reads;
  texts.reserve(states.size());
  for (const ScoredState& state : states) {
    texts.push_back(prompt);
    texts.back().insert(texts.back().end(), state.tokens.begin(), state.tokens.end());
    StateRead read = {&texts.back(), {}, 0, static_cast<int32_t>(texts.back().size())};
    for (size_t i = 0; i < state.targets.size(); ++i) {
      if (state.targets[i] >= 0) read.positions.push_back(prompt_length + static_cast<int32_t>(i));
    }
    reads.push_back(std::move(read));
  }
  std::vector<std::vector<double>> scores;
  for (const ScoredState& state : states) {
    scores.emplace_back(state.tokens.size(), std::numeric_limits<double>::quiet_NaN());
  }
  reader.Read(reads, [&](size_t begin, size_t end, const auto& rows) {
    for (size_t i = begin; i < end; ++i) {
      const std::vector<int32_t>& positions = reads[i].positions;
      sampler.ForEach(positions.size(), [&](size_t row, Sampler* policy) {
        const auto at = static_cast<size_t>(positions[row] - prompt_length);
        scores[i][at] = policy->Score(rows[i - begin][row], states[i].targets[at]).log_prob;
      });
      session->counters.scored += static_cast<int64_t>(positions.size());
      session->counters.full_passes += reader.views();
    }
    return true;
  });
  return scores;
}

}  // namespace llama_ets
