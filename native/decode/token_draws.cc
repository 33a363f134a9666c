#include "decode/token_draws.h"

#include <algorithm>
#include <cmath>

#include "decode/stopwatch.h"

namespace llama_ets {

TokenDraws::TokenDraws(Decoder* decoder, const Sampling& policy, Metrics metrics)
    : decoder_(decoder), temperature_(policy.temperature), policy_(decoder, policy, metrics) {
  const bool is_all = policy.grammar.empty() && policy.vocab_limit >= decoder->vocab_size() &&
                      policy.power == 1 && !metrics.entropy && !metrics.self_certainty;
  if (decoder->device_logits() == nullptr || !is_all) return;
  device_policy_.emplace(policy, decoder->vocab_size());
  if (!device_policy_->IsPlain()) device_policy_.reset();
}

void TokenDraws::Clear() {
  rows_.clear();
  random_.clear();
  uniforms_.clear();
}

void TokenDraws::AddRowOf(int32_t batch_index, const Grammar* grammar) {
  if (device_policy_) {
    rows_.push_back({nullptr, decoder_->DeviceRowOf(batch_index), random_.size(), 0, nullptr, {}});
  } else {
    AddRow(decoder_->RowOf(batch_index), grammar);
  }
}

void TokenDraws::AddDraw(const TokenRandom& random) {
  random_.push_back(random);
  uniforms_.push_back(random.Uniform());
  ++rows_.back().count;
}

void TokenDraws::Run() {
  drawn_.resize(uniforms_.size());
  if (device_policy_) DrawOnDevice();
  policy_.ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
    const auto& [logits, _, first, count, grammar, forced] = rows_[i];
    if (logits == nullptr || count == 0) return;
    if (forced) {
      std::fill_n(drawn_.begin() + static_cast<std::ptrdiff_t>(first), count,
                  sampler->Score(logits, *forced));
      return;
    }
    if (grammar != nullptr) {
      sampler->DrawAllowed(logits, *grammar, random_.data() + first, count, drawn_.data() + first);
      return;
    }
    sampler->Draw(logits, uniforms_.data() + first, count, drawn_.data() + first);
  });
}

// First sums all rows in one pass, then copies the block of each draw in another.
void TokenDraws::DrawOnDevice() {
  const Stopwatch stopwatch(&decoder_->decode_counters.sampling_ns);
  DeviceLogits* device = decoder_->device_logits();
  std::vector<DeviceLogits::Block> blocks;
  std::vector<Sampler::Place> places;
  for (const Row& row : rows_) {
    if (row.logits != nullptr || row.count == 0) continue;
    const RowSums& sums = device->SumsOf(row.device_row, temperature_);
    if (!std::isfinite(sums.max) || !std::isfinite(sums.log_sum) || !(sums.tempered_sum > 0)) {
      ThrowBrokenLogits();
    }
    for (size_t draw = row.first; draw < row.first + row.count; ++draw) {
      places.push_back(row.forced
                           ? Sampler::PlaceOfToken(*row.forced)
                           : Sampler::PlaceOf(sums.block_sum, uniforms_[draw] * sums.drawn_sum));
      blocks.push_back({row.device_row, static_cast<int32_t>(places.back().block)});
    }
  }
  if (blocks.empty()) return;
  decoder_->ThrowIfAborted();
  device->CopyBlocks(blocks, &blocks_);
  size_t next = 0;
  for (const Row& row : rows_) {
    if (row.logits != nullptr) continue;
    for (size_t draw = row.first; draw < row.first + row.count; ++draw, ++next) {
      const RowSums& sums = device->SumsOf(row.device_row, temperature_);
      const float* block = blocks_.data() + next * kBlock;
      drawn_[draw] = row.forced ? device_policy_->ScoreAt(sums, *row.forced, block)
                                : device_policy_->DrawAt(sums, places[next], block);
    }
  }
  decoder_->decode_counters.device_draws += static_cast<int64_t>(next);
}

}  // namespace llama_ets
