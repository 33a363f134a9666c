// Teacher-forced scoring: log-probabilities of given continuations of cached sequences.
#pragma once

#include <memory>
#include <vector>

#include "decode/decode_task.h"
#include "decode/forked_texts.h"
#include "decode/session.h"
#include "sampling/row_sampler.h"
#include "sampling/sampler.h"

namespace llama_ets {

struct ScoreRequest {
  SequenceHandle parent;
  std::vector<llama_token> tokens;  // at least one
  bool keep;                        // leave a sequence that can be continued
  std::vector<llama_token> text =
      {};  // what the text has before them, of which a grammar reads all
};

struct Scores {
  std::vector<double> log_probs;      // under `sampling`; -inf outside its support
  std::vector<double> raw_log_probs;  // under the model's softmax
  std::vector<double>
      log_masses;  // under a grammar: see TokenProbability; -inf: the token is not allowed
  std::vector<double> entropies;  // these two hold a number a token when asked for
  std::vector<double> self_certainties;
  SequenceHandle sequence = 0;  // 0: none kept
};

// Each continuation's first token is scored from its parent's stored logits, and its last is not
// decoded unless it is kept. Throws EngineError as Generation does; then nothing is kept.
class Scoring final : public DecodeTask {
 public:
  Scoring(Session* session, std::vector<ScoreRequest> requests, Sampling sampling, Metrics metrics);
  ~Scoring() override;

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override;
  void AddRows(Batch* batch, BatchRoom room) override;
  void TakeRows() override;
  // Called once, when it does not go on.
  std::vector<Scores> TakeResult();

 private:
  // Logits, and the token they score.
  struct Row {
    size_t request;
    llama_token token;
    const float* logits;
    std::unique_ptr<Grammar> grammar;  // before the token; null: none
    bool is_allowed;                   // by it
  };

  void Admit();
  void AddRow(size_t request, llama_token token, const float* logits);
  void ScoreRows();
  void Retire();

  Session* session_;
  const std::vector<ScoreRequest> requests_;
  const Sampling sampling_;
  const Metrics metrics_;
  RowSampler sampler_;
  std::vector<std::unique_ptr<Grammar>> grammars_;  // one a request, after the rows so far; or none
  ForkedTexts texts_;
  std::vector<Scores> results_;
  std::vector<Row> rows_;  // a request's are in their order
  std::vector<TokenProbability> scored_;
  std::vector<LogitsRow> next_;  // what follows the texts that are kept, once they are read
  bool finished_ = false;
};

}  // namespace llama_ets
