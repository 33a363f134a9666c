// One policy's sampler for many rows of logits: on all of the context's threads where the rows are
// large enough to pay for waking them. A row's result does not depend on the thread that takes it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "decode/decoder.h"
#include "sampling/sampler.h"

namespace llama_ets {

class RowSampler {
 public:
  RowSampler(Decoder* decoder, const Sampling& sampling, Metrics metrics = {})
      : decoder_(decoder), sampling_(sampling), metrics_(metrics) {}

  // Calls `work` for the rows 0 to rows - 1, several at once: it may write to its own row's result
  // only. Throws the lowest failing row's error, or ERR_ABORTED.
  void ForEach(size_t rows, const std::function<void(size_t row, Sampler* sampler)>& work);

 private:
  Decoder* decoder_;
  const Sampling& sampling_;
  const Metrics metrics_;
  std::deque<Sampler> samplers_;  // one a thread, for their scratch memory
};

}  // namespace llama_ets
