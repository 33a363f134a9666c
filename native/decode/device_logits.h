// Rows of logits that stay on the device which computed them, and the sums that drawing needs.
//
// llama.cpp copies a decode's rows to the host unless all of their sequences have llama.cpp
// samplers. Our sampler draws nothing: it leaves the rows on the device and remembers the tensor
// that holds them. A graph of our own then sums each row by blocks, as sampling/sampler.h does on
// the host. Only those sums and the logits of one block per draw are copied.
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
  // For a context of `sequences` sequences. `threads` is used if the device is a CPU. This object
  // must outlive the context.
  DeviceLogits(uint32_t sequences, int32_t vocab_size, int32_t threads);
  ~DeviceLogits();
  DeviceLogits(const DeviceLogits&) = delete;
  DeviceLogits& operator=(const DeviceLogits&) = delete;

  // Registers the samplers. Called before the context is made with `params`.
  void Configure(llama_context_params* params);
  // Drops what was copied and summed of the previous decode. Called after each decode.
  void Forget();

  // The methods below are called after a decode. `row` is a row's number among its rows of logits.
  // The row on the host. It is copied at most once per decode.
  float* Row(int32_t row);
  // The sums of a row at a temperature above 0, equal to those that Sampler makes on the host. One
  // call sums all rows of the decode. Valid until another temperature is asked for or the next
  // decode.
  const RowSums& SumsOf(int32_t row, double temperature);
  // Copies some blocks of rows to `logits`, kBlock floats for each; a row's last block may be
  // shorter.
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
  std::vector<llama_sampler*> chains_;  // one per sequence
  std::vector<llama_sampler_seq_config> configs_;
  ggml_tensor* logits_ = nullptr;  // a tensor of the engine's graph, with the rows of all outputs
  std::vector<std::vector<float>> rows_;
  std::vector<RowSums> sums_;
  double summed_at_ = 0;  // the temperature of sums_; 0: there are no sums
  std::unique_ptr<ggml_backend, FreeBackend> backend_;
  std::unique_ptr<ggml_gallocr, FreeAllocator> allocator_;
};

}  // namespace llama_ets
