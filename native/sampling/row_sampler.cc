#include "sampling/row_sampler.h"

#include "decode/stopwatch.h"
#include "decode/thread_team.h"

namespace llama_ets {
namespace {

// To read this many logits on one thread takes about as long as to wake another thread.
constexpr int64_t kLogitsWorthThreads = 1 << 19;

}  // namespace

void RowSampler::ForEach(size_t rows,
                         const std::function<void(size_t row, Sampler* sampler)>& work) {
  const Stopwatch stopwatch(&decoder_->decode_counters.sampling_ns);
  const bool worth_threads =
      rows > 1 && static_cast<int64_t>(rows) * decoder_->vocab_size() >= kLogitsWorthThreads;
  const int32_t threads = worth_threads ? decoder_->team_size() : 1;
  while (static_cast<int32_t>(samplers_.size()) < threads) {
    samplers_.emplace_back(sampling_, decoder_->vocab_size(), metrics_);
  }
  const auto take = [&](int32_t row, int32_t member) {
    decoder_->ThrowIfAborted();
    work(static_cast<size_t>(row), &samplers_[static_cast<size_t>(member)]);
  };
  if (threads > 1) {
    decoder_->team().ForEach(static_cast<int32_t>(rows), take);
  } else {
    for (size_t row = 0; row < rows; ++row) take(static_cast<int32_t>(row), 0);
  }
}

}  // namespace llama_ets
