// Expansion appends one given token to each text and ranks the most probable next tokens. A beam
// search does this at every position, for all its hypotheses in one batch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "decode/decode_task.h"
#include "decode/session.h"
#include "sampling/row_sampler.h"
#include "sampling/sampler.h"

namespace llama_ets {

struct ExpandRequest {
  SequenceHandle parent;
  // The token to append. Without one, the parent's stored logits are ranked.
  std::optional<llama_token> token;
  // All tokens of the text, including `token`, which a grammar reads. Unused without a grammar.
  std::vector<llama_token> text = {};
};

struct Expansion {
  SequenceHandle sequence;  // a fork of the parent that holds the token too
  std::vector<TokenProbability> next;
};

// Forks each parent, appends the request's token, and ranks the `count` most probable next tokens
// under `sampling`. The forks that got a token hold no logits: they can only be expanded by a token
// or freed. Throws EngineError as Generation does; all forks are freed then.
class Expanding final : public DecodeTask {
 public:
  // Forks the parents and ranks the requests without a token.
  static std::unique_ptr<Expanding> Start(Session* session, std::vector<ExpandRequest> requests,
                                          size_t count, Sampling sampling);
  ~Expanding() override;

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override;
  void AddRows(Batch* batch, BatchRoom room) override;
  void TakeRows() override;
  // Called once, when GoesOn() is false.
  std::vector<Expansion> TakeResult();

 private:
  // A row of logits, and the request whose next tokens it ranks.
  struct Row {
    size_t request;
    int32_t index;
    const float* logits;
  };

  Expanding(Session* session, std::vector<ExpandRequest> requests, size_t count, Sampling sampling);
  void Begin();
  void ThrowIfTooLarge() const;
  void SkipStored();
  void Rank();

  Session* session_;
  const std::vector<ExpandRequest> requests_;
  const size_t count_;
  const Sampling sampling_;
  RowSampler sampler_;
  // The state after each request's text; empty without a grammar.
  std::vector<std::unique_ptr<Grammar>> grammars_;
  std::vector<Expansion> results_;
  std::vector<Sequence> forks_;
  size_t next_ = 0;  // the first request whose token is not in a batch yet
  std::vector<Row> rows_;
};

}  // namespace llama_ets
