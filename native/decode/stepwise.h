// Work of many decodes, each of which other sessions of the same context may take part in.
#pragma once

#include <cstdint>

namespace llama_ets {

class Batch;
class Decoder;

class Stepwise {
 public:
  virtual ~Stepwise() = default;
  virtual Decoder* decoder() const = 0;
  // Whether there is something left to decode, within the budget. Throws EngineError ERR_ABORTED.
  virtual bool GoesOn() const = 0;
  // Adds the tokens to decode next, each of which wants a row of logits.
  virtual void AddRows(Batch* batch) const = 0;
  // Called after the decode; the rows begin at index `first` of the batch and must not be read
  // later. After an error it is not called again.
  virtual void TakeRows(int32_t first) = 0;
};

}  // namespace llama_ets
