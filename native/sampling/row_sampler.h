// Samples from many rows of logits with one policy. It uses all of the context's threads if the
// rows are large enough. A row's result does not depend on the thread that takes the row.
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

  // Calls `work` for the rows 0 to rows - 1, on several threads at once, so `work` may write only
  // to the result of its own row. Throws the error of the lowest row that fails, or ERR_ABORTED.
  void ForEach(size_t rows, const std::function<void(size_t row, Sampler* sampler)>& work);

 private:
  Decoder* decoder_;
  const Sampling& sampling_;
  const Metrics metrics_;
  std::deque<Sampler> samplers_;  // one per thread, because each has scratch memory
};

}  // namespace llama_ets
