// What the scheduler steps: work of many decodes, in each of which tasks of other partitions of the
// context may have a part.
#pragma once

#include "decode/batch.h"

namespace llama_ets {

class Decoder;

class DecodeTask {
 public:
  DecodeTask() = default;
  virtual ~DecodeTask() = default;
  DecodeTask(const DecodeTask&) = delete;
  DecodeTask& operator=(const DecodeTask&) = delete;

  virtual Decoder* decoder() const = 0;
  // Whether there is something left to decode, within the budget. Throws EngineError ERR_ABORTED.
  virtual bool GoesOn() const = 0;
  // Whether the next batch must hold all that it decodes next. That is then a row for no more than
  // each of its partition's sequences, so that the rows of all such tasks fit into one batch.
  virtual bool AddsAllRows() const { return false; }
  // Adds what it decodes next, as far as `room` goes. May be called twice for one batch.
  virtual void AddRows(Batch* batch, BatchRoom room) = 0;
  // Called after the decode of what was added; the rows of logits must not be read later. After an
  // error it is not called again.
  virtual void TakeRows() = 0;
};

}  // namespace llama_ets
