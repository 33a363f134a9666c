#include "decode/token_draws.h"

namespace llama_ets {

TokenDraws::TokenDraws(Decoder* decoder, const Sampling& policy,
                       const std::optional<Sampling>& reference, Metrics metrics)
    : policy_(decoder, policy, metrics) {
  if (reference) reference_.emplace(decoder, *reference);
}

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
  if (!reference_) return;
  reference_log_probs_.resize(drawn_.size());
  reference_->ForEach(rows_.size(),
                      [this](size_t i, Sampler* sampler) { ScoreRow(rows_[i], sampler); });
}

// A token that was drawn more than once is scored once.
void TokenDraws::ScoreRow(const Row& row, Sampler* sampler) {
  for (size_t draw = row.first; draw < row.first + row.count; ++draw) {
    size_t same = row.first;
    while (drawn_[same].token != drawn_[draw].token) ++same;
    reference_log_probs_[draw] = same < draw
                                     ? reference_log_probs_[same]
                                     : sampler->Score(row.logits, drawn_[draw].token).log_prob;
  }
}

}  // namespace llama_ets
