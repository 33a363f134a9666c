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
  std::vector<llama_token> tokens;  // the tokens to score; at least one
  bool keep;                        // keep a sequence that can be continued
  // The text before `tokens`, which a grammar reads. Unused without a grammar.
  std::vector<llama_token> text = {};
};

struct Scores {
  std::vector<double> log_probs;      // under `sampling`; -inf outside its support
  std::vector<double> raw_log_probs;  // under the model's softmax
  // See TokenProbability; -inf if the grammar does not allow the token. Empty without a grammar.
  std::vector<double> log_masses;
  std::vector<double> entropies;  // these two hold one number per token if asked for
  std::vector<double> self_certainties;
  SequenceHandle sequence = 0;  // 0: no sequence was kept
};

// Each continuation's first token is scored from its parent's stored logits. Its last token is
// decoded only if the sequence is kept. Throws EngineError as Generation does; after an error no
// sequence is kept.
class Scoring final : public DecodeTask {
 public:
  Scoring(Session* session, std::vector<ScoreRequest> requests, Sampling sampling, Metrics metrics);
  ~Scoring() override;

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override;
  void AddRows(Batch* batch, BatchRoom room) override;
  void TakeRows() override;
  // Called once, when GoesOn() is false.
  std::vector<Scores> TakeResult();

 private:
  // A row of logits, and the token that it scores.
  struct Row {
    size_t request;
    llama_token token;
    const float* logits;
    std::unique_ptr<Grammar> grammar;  // the state before the token; null: no grammar
    bool is_allowed;                   // whether the grammar allows the token
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
  // The state after each request's rows so far; empty without a grammar.
  std::vector<std::unique_ptr<Grammar>> grammars_;
  ForkedTexts texts_;
  std::vector<Scores> results_;
  std::vector<Row> rows_;  // the rows of one request are in the order of its tokens
  std::vector<TokenProbability> scored_;
  std::vector<LogitsRow> next_;  // logits after the last tokens of kept texts, once decoded
  bool finished_ = false;
};

}  // namespace llama_ets
