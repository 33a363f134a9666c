// The common part of scoring and classification: reads texts after forks of cached sequences and
// packs them into as few decodes as possible. The texts begin in their order. A text that finds no
// free sequence, or too few free cells, waits until earlier texts have ended.
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
  // `count` tokens are decoded after the parent's. With 0 tokens the text needs no fork.
  struct Text {
    SequenceHandle parent;
    const llama_token* tokens;
    size_t count;
  };
  // A token in the batch: its text, its place in that text, and its index in the batch.
  struct Row {
    size_t text, place;
    int32_t index;
  };

  // The memory that `Text::tokens` points to must outlive this object.
  ForkedTexts(Session* session, std::vector<Text> texts)
      : session_(session), texts_(std::move(texts)) {}
  ~ForkedTexts();
  ForkedTexts(const ForkedTexts&) = delete;
  ForkedTexts& operator=(const ForkedTexts&) = delete;

  // Begins as many texts as fit and calls `begin` for each. Throws EngineError ERR_CONTEXT_FULL
  // when a text can't fit even alone.
  void Admit(const std::function<void(size_t text)>& begin);
  // Whether all texts were begun and read to their ends.
  bool done() const { return next_ == texts_.size() && active_.empty(); }
  // Adds tokens to the batch and to rows(). All of them want an output.
  void AddRows(Batch* batch, BatchRoom room);
  const std::vector<Row>& rows() const { return rows_; }
  // Calls `end` for each text that was read to its end, frees its fork unless `end` has reset it,
  // and clears rows().
  void Retire(const std::function<void(size_t text, std::optional<Sequence>* fork)>& end);

 private:
  struct Active {
    size_t text;
    Sequence fork;
    size_t read = 0;  // tokens added to batches so far
  };

  Session* session_;
  const std::vector<Text> texts_;
  size_t next_ = 0;  // the first text not yet begun
  std::vector<Active> active_;
  std::vector<Row> rows_;
  int64_t reserved_ = 0;  // cells that active texts still need
};

}  // namespace llama_ets
