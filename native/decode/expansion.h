// Expansion: texts grown by a given token each, and the most probable tokens that come next. What a
// beam search does at every position, for all its hypotheses in one batch.
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
  std::optional<llama_token> token;    // none: the parent as it is, from its stored logits
  std::vector<llama_token> text = {};  // what it has with the token, of which a grammar reads all
};

struct Expansion {
  SequenceHandle sequence;  // a fork of the parent that holds the token too
  std::vector<TokenProbability> next;
};

// Forks each parent, appends its token, and ranks the `count` most probable next ones under
// `sampling`. The sequences hold no logits: they are to be expanded further, or freed. Throws
// EngineError as Generation does; then nothing is kept.
class Expanding final : public DecodeTask {
 public:
  // Ranks what follows the parents that get no token.
  static std::unique_ptr<Expanding> Start(Session* session, std::vector<ExpandRequest> requests,
                                          size_t count, Sampling sampling);
  ~Expanding() override;

  Decoder* decoder() const override { return session_; }
  bool GoesOn() const override;
  void AddRows(Batch* batch, BatchRoom room) override;
  void TakeRows() override;
  // Called once, when it does not go on.
  std::vector<Expansion> TakeResult();

 private:
  // Logits, and the request whose next tokens they rank.
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
  std::vector<std::unique_ptr<Grammar>> grammars_;  // one a request, after its text; or none
  std::vector<Expansion> results_;
  std::vector<Sequence> forks_;
  size_t next_ = 0;  // the first request whose token is not in a batch yet
  std::vector<Row> rows_;
};

}  // namespace llama_ets
