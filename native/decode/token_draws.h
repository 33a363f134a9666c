// Tokens drawn from rows of logits, any number from each.
#pragma once

#include <optional>
#include <vector>

#include "decode/decoder.h"
#include "sampling/row_sampler.h"
#include "sampling/sampler.h"

namespace llama_ets {

class TokenDraws {
 public:
  // All outlive it.
  TokenDraws(Decoder* decoder, const Sampling& policy, Metrics metrics);

  // Between Clear and Run: a row, with what a grammar allows there (null: everything), then the
  // random numbers that tokens of it are drawn with. Draws are numbered in this order.
  void Clear();
  void AddRow(const float* logits, const Grammar* grammar) {
    rows_.push_back({logits, 0, random_.size(), 0, grammar, {}});
  }
  // A row of the last decode, by its token's index in the batch. It stays on the device where there
  // are such rows and the policy leaves all tokens, without a grammar.
  void AddRowOf(int32_t batch_index, const Grammar* grammar);
  // Takes this token of the last row, whatever its draws' numbers, with its log-probabilities.
  void Force(llama_token token) { rows_.back().forced = token; }
  void AddDraw(const TokenRandom& random);
  // Throws EngineError ERR_ABORTED or ERR_INVALID_LOGITS.
  void Run();

  const TokenProbability& drawn(size_t draw) const { return drawn_[draw]; }

 private:
  struct Row {
    const float* logits;  // null: on the device
    int32_t device_row;
    size_t first, count;  // draws
    const Grammar* grammar;
    std::optional<llama_token> forced;
  };

  void DrawOnDevice();

  Decoder* decoder_;
  const double temperature_;
  RowSampler policy_;
  std::optional<Sampler> device_policy_;  // where it can draw from rows on the device
  std::vector<Row> rows_;
  std::vector<TokenRandom> random_;
  std::vector<double> uniforms_;  // the first of each
  std::vector<float> blocks_;     // scratch
  std::vector<TokenProbability> drawn_;
};

}  // namespace llama_ets
