// Texts that are read behind forks of cached sequences, packed into as few decodes as fit: what
// scoring and classification have in common. They begin in their order; one that finds no free
// sequence, or too few cells, waits for those before it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "decode/batch.h"
#include "decode/session.h"

namespace llama_ets {

class ForkedTexts {
 public:
  // `count` tokens are decoded behind the parent's; none: the text needs no fork.
  struct Text {
    SequenceHandle parent;
    const llama_token* tokens;
    size_t count;
  };
  // A token in the batch: the text that it is of, its place there, and its index in the batch.
  struct Row {
    size_t text, place;
    int32_t index;
  };

  // What the tokens point to outlives it.
  ForkedTexts(Session* session, std::vector<Text> texts)
      : session_(session), texts_(std::move(texts)) {}
  ~ForkedTexts();
  ForkedTexts(const ForkedTexts&) = delete;
  ForkedTexts& operator=(const ForkedTexts&) = delete;

  // Begins texts, calling `begin` for each. Throws EngineError ERR_CONTEXT_FULL when one can't fit
  // even alone.
  void Admit(const std::function<void(size_t text)>& begin);
  // Whether all were begun and read to their ends.
  bool done() const { return next_ == texts_.size() && active_.empty(); }
  // Adds tokens, all of which want an output; what was added is in rows().
  void AddRows(Batch* batch, BatchRoom room);
  const std::vector<Row>& rows() const { return rows_; }
  // Calls `end` for each text that is read, then frees its fork unless `end` took it away, and
  // forgets the rows.
  void Retire(const std::function<void(size_t text, std::optional<Sequence>* fork)>& end);

 private:
  struct Active {
    size_t text;
    Sequence fork;
    size_t read = 0;  // tokens added to a batch
  };

  Session* session_;
  const std::vector<Text> texts_;
  size_t next_ = 0;  // the first text not yet begun
  std::vector<Active> active_;
  std::vector<Row> rows_;
  int64_t reserved_ = 0;  // cells promised to active texts
};

}  // namespace llama_ets
