// Draws tokens from rows of logits, any number from each row.
#pragma once

#include <optional>
#include <vector>

#include "decode/decoder.h"
#include "sampling/row_sampler.h"
#include "sampling/sampler.h"

namespace llama_ets {

class TokenDraws {
 public:
  // `decoder` and `policy` must outlive this object.
  TokenDraws(Decoder* decoder, const Sampling& policy, Metrics metrics);

  // Usage: Clear, then for each row AddRow or AddRowOf followed by one AddDraw per token to draw,
  // then Run. `grammar` says which tokens are allowed (null: all). Draws are numbered in the order
  // in which they are added.
  void Clear();
  void AddRow(const float* logits, const Grammar* grammar) {
    rows_.push_back({logits, 0, random_.size(), 0, grammar, {}});
  }
  // Adds a row of the last decode, by its token's index in the batch. The row stays on the device
  // if the context keeps rows there and the policy neither cuts off tokens nor has a grammar, a
  // power or metrics.
  void AddRowOf(int32_t batch_index, const Grammar* grammar);
  // All draws from the row added last give this token, with its log-probabilities.
  void Force(llama_token token) { rows_.back().forced = token; }
  void AddDraw(const TokenRandom& random);
  // Throws EngineError ERR_ABORTED or ERR_INVALID_LOGITS.
  void Run();

  const TokenProbability& drawn(size_t draw) const { return drawn_[draw]; }

 private:
  struct Row {
    const float* logits;  // null: the row is on the device
    int32_t device_row;
    size_t first, count;  // the row's draws
    const Grammar* grammar;
    std::optional<llama_token> forced;
  };

  void DrawOnDevice();

  Decoder* decoder_;
  const double temperature_;
  RowSampler policy_;
  std::optional<Sampler> device_policy_;  // set if the policy can draw from rows on the device
  std::vector<Row> rows_;
  std::vector<TokenRandom> random_;
  std::vector<double> uniforms_;  // the first uniform number of each draw
  std::vector<float> blocks_;     // scratch
  std::vector<TokenProbability> drawn_;
};

}  // namespace llama_ets
