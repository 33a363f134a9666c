// Tokens drawn from rows of logits, any number from each.
#pragma once

#include <vector>

#include "decode/decoder.h"
#include "sampling/row_sampler.h"
#include "sampling/sampler.h"

namespace llama_ets {

class TokenDraws {
 public:
  // All outlive it.
  TokenDraws(Decoder* decoder, const Sampling& policy, Metrics metrics)
      : policy_(decoder, policy, metrics) {}

  // Between Clear and Run: a row, then the uniform numbers, on [0, 1), that tokens of it are drawn
  // with. Draws are numbered in this order.
  void Clear();
  void AddRow(const float* logits) { rows_.push_back({logits, uniforms_.size(), 0}); }
  void AddDraw(double uniform);
  // Throws EngineError ERR_ABORTED or ERR_INVALID_LOGITS.
  void Run();

  const TokenProbability& drawn(size_t draw) const { return drawn_[draw]; }

 private:
  struct Row {
    const float* logits;
    size_t first, count;  // draws
  };

  RowSampler policy_;
  std::vector<Row> rows_;
  std::vector<double> uniforms_;
  std::vector<TokenProbability> drawn_;
};

}  // namespace llama_ets
