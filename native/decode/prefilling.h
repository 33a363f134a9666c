// Prefill: tokens appended to sequences, and the logits after each one's last.
#pragma once

#include <vector>

#include "decode/decode_task.h"
#include "decode/session.h"

namespace llama_ets {

struct PrefillRequest {
  SequenceHandle sequence;
  std::vector<llama_token> tokens;  // at least one
};

// Packs the tokens of all sequences into as few decodes as fit. Throws EngineError:
// ERR_INVALID_ARGUMENT when a sequence comes twice, ERR_CONTEXT_FULL, ERR_ABORTED; then nothing is
// appended to any of them, but those that held text in a recurrent state, and had more decoded, are
// lost.
class Prefilling final : public DecodeTask {
 public:
  Prefilling(Session* session, std::vector<PrefillRequest> requests);
  ~Prefilling() override;

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override;
  void AddRows(Batch* batch, BatchRoom room) override;
  void TakeRows() override;
  // Counts the tokens as their sequences'; called once, when it does not go on.
  bool TakeResult();

 private:
  // A sequence, and the logits after its last token once that is decoded.
  struct Part {
    Sequence* sequence;
    LogitsRow last;
  };
  // A sequence's last token in the batch.
  struct Row {
    size_t part;
    int32_t index;
  };

  Session* session_;
  const std::vector<PrefillRequest> requests_;
  std::vector<Part> parts_;  // one a request
  // The next token to decode.
  size_t part_ = 0;
  size_t place_ = 0;
  std::vector<Row> rows_;
  bool finished_ = false;
};

}  // namespace llama_ets
