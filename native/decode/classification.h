// Classification of texts by a model with a classification head. llama.cpp calls this rank
// pooling.
#pragma once

#include <vector>

#include "decode/decode_task.h"
#include "decode/forked_texts.h"
#include "decode/session.h"

namespace llama_ets {

struct ClassificationRequest {
  SequenceHandle parent;
  std::vector<llama_token> tokens;  // the text after the parent; at least one token
};

// Computes one number for each class at the end of each text. For the architectures that have
// classifiers the number is a probability. Throws EngineError: ERR_INVALID_STATE when the session
// was not opened for classification, ERR_CONTEXT_FULL when a text can't fit even alone,
// ERR_ABORTED.
class Classification final : public DecodeTask {
 public:
  Classification(Session* session, std::vector<ClassificationRequest> requests);

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override;
  void AddRows(Batch* batch, BatchRoom room) override { texts_.AddRows(batch, room); }
  void TakeRows() override;
  std::vector<std::vector<double>> TakeResult() { return std::move(results_); }

 private:
  void Admit();

  Session* session_;
  const std::vector<ClassificationRequest> requests_;
  ForkedTexts texts_;
  std::vector<std::vector<double>> results_;
};

}  // namespace llama_ets
