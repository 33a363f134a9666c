#include "decode/token_draws.h"

namespace llama_ets {

void TokenDraws::Clear() {
  rows_.clear();
  uniforms_.clear();
}

void TokenDraws::AddDraw(double uniform) {
  uniforms_.push_back(uniform);
  ++rows_.back().count;
}

void TokenDraws::Run() {
  drawn_.resize(uniforms_.size());
  policy_.ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
    const auto& [logits, first, count] = rows_[i];
    sampler->Draw(logits, uniforms_.data() + first, count, drawn_.data() + first);
  });
}

}  // namespace llama_ets
