// Rows of logits that stay on the device which computed them, and what drawing needs of them.
//
// llama.cpp copies a decode's rows to the host unless all of their sequences have samplers of the
// engine's. Ours draws nothing: it keeps the rows where they are and remembers which tensor has
// them. A graph of our own then sums each row by blocks, as sampling/sampler.h does on the host;
// those sums and the logits of one block a draw are all that is copied.
#pragma once

#include <ggml-alloc.h>
#include <llama.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "sampling/support.h"

namespace llama_ets {

class DeviceLogits {
 public:
  // For a context of so many sequences; `threads` where the device is a CPU. It outlives the
  // context.
  DeviceLogits(uint32_t sequences, int32_t vocab_size, int32_t threads);
  ~DeviceLogits();
  DeviceLogits(const DeviceLogits&) = delete;
  DeviceLogits& operator=(const DeviceLogits&) = delete;

  // Before the context is made with these.
  void Configure(llama_context_params* params);
  // After each decode: what was copied of the one before is gone.
  void Forget();

  // After a decode, by a row's number among its rows of logits.
  // The row itself, copied once a decode.
  float* Row(int32_t row);
  // Sums of a row at a temperature above 0, as Sampler makes them on the host; rows of one
  // temperature are summed together. Valid until another temperature or decode.
  const RowSums& SumsOf(int32_t row, double temperature);
  // Some blocks of rows, one after the other in `logits`; a row's last block may be shorter.
  struct Block {
    int32_t row;
    int32_t block;
  };
  void CopyBlocks(const std::vector<Block>& blocks, std::vector<float>* logits);

 private:
  struct FreeBackend {
    void operator()(ggml_backend_t backend) const;
  };
  struct FreeAllocator {
    void operator()(ggml_gallocr_t allocator) const;
  };

  static llama_sampler_i* Interface();
  ggml_tensor* Logits() const;
  void OpenBackend();
  void SumAll(double temperature);

  const int32_t vocab_size_;
  const int32_t threads_;
  std::vector<llama_sampler*> chains_;  // one a sequence
  std::vector<llama_sampler_seq_config> configs_;
  ggml_tensor* logits_ = nullptr;  // of the engine's graph, which it may compute again
  std::vector<std::vector<float>> rows_;
  std::vector<RowSums> sums_;
  double summed_at_ = 0;  // the temperature of sums_; 0: there are none
  std::unique_ptr<ggml_backend, FreeBackend> backend_;
  std::unique_ptr<ggml_gallocr, FreeAllocator> allocator_;
};

}  // namespace llama_ets
