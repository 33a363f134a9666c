// Prefill appends tokens to sequences and stores the logits after each sequence's last token.
#pragma once

#include <vector>

#include "decode/decode_task.h"
#include "decode/session.h"

namespace llama_ets {

struct PrefillRequest {
  SequenceHandle sequence;
  std::vector<llama_token> tokens;  // at least one
};

// Packs the tokens of all sequences into as few decodes as possible. Throws EngineError:
// ERR_INVALID_ARGUMENT when a sequence occurs twice, ERR_CONTEXT_FULL, ERR_ABORTED. After an error
// nothing is appended to any sequence. But a sequence that held text before, and for which tokens
// were decoded, is lost if the model has recurrent states or a sliding window (Session::Undo).
class Prefilling final : public DecodeTask {
 public:
  Prefilling(Session* session, std::vector<PrefillRequest> requests);
  ~Prefilling() override;

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override;
  void AddRows(Batch* batch, BatchRoom room) override;
  void TakeRows() override;
  // Adds the tokens to the lengths of their sequences. Called once, when GoesOn() is false.
  bool TakeResult();

 private:
  // A sequence, and the logits after its last token once that token is decoded.
  struct Part {
    Sequence* sequence;
    LogitsRow last;
  };
  // The last token of a sequence, and its index in the batch.
  struct Row {
    size_t part;
    int32_t index;
  };

  Session* session_;
  const std::vector<PrefillRequest> requests_;
  std::vector<Part> parts_;  // one per request
  // The next token to decode: its request, and its place among the request's tokens.
  size_t part_ = 0;
  size_t place_ = 0;
  std::vector<Row> rows_;
  bool finished_ = false;
};

}  // namespace llama_ets
