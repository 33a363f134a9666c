// The work that the scheduler runs step by step. A task needs many decodes. One decode can serve
// tasks of several partitions of the context.
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
  // Whether the task has more to decode and its budget is not spent. Throws EngineError
  // ERR_ABORTED.
  virtual bool GoesOn() const = 0;
  // Whether the next batch must hold all rows that the task decodes next. Such a task adds at most
  // one row for each sequence of its partition, so that the rows of all such tasks fit into one
  // batch.
  virtual bool AddsAllRows() const { return false; }
  // Adds the tokens that the task decodes next, at most as many as `room` allows. May be called
  // twice for one batch.
  virtual void AddRows(Batch* batch, BatchRoom room) = 0;
  // Called after the added tokens were decoded. The rows of logits must not be read after this call
  // returns. After an error it is not called again.
  virtual void TakeRows() = 0;
};

}  // namespace llama_ets
