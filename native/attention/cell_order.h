// The order in which the cells of a cache were written. A text's tokens are written one after
// another, but into any free cells. In this order, a text's cells are in the order of its tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace llama_ets {

class CellOrder {
 public:
  // Records that these cells are written now, in this order. They become the last ones.
  void Write(const int64_t* cells, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto cell = static_cast<size_t>(cells[i]);
      if (cell >= written_.size()) written_.resize(cell + 1, kNever);
      if (written_[cell] != kNever) written_[cell] = kAgain;
    }
    order_.erase(std::remove_if(order_.begin(), order_.end(),
                                [this](int32_t cell) { return written_[cell] == kAgain; }),
                 order_.end());
    for (int64_t i = 0; i < count; ++i) {
      written_[cells[i]] = kOnce;
      order_.push_back(static_cast<int32_t>(cells[i]));
    }
  }

  // Forgets all writes. Called when the cache holds only a text that was restored as a whole: its
  // cells lie in the order of its tokens, and they come before all cells that are written later.
  void Forget() {
    order_.clear();
    written_.clear();
    holds_text_ = true;
  }

  // The cells with numbers below `count`, in the order of their writes. Cells that were never
  // written come last, or first if the cache has a restored text.
  std::vector<int32_t> FirstCells(int32_t count) const {
    std::vector<int32_t> first;
    first.reserve(count);
    if (holds_text_) AddUnwritten(count, &first);
    for (const int32_t cell : order_) {
      if (cell < count) first.push_back(cell);
    }
    if (!holds_text_) AddUnwritten(count, &first);
    return first;
  }

 private:
  enum Written : char { kNever, kOnce, kAgain };

  void AddUnwritten(int32_t count, std::vector<int32_t>* cells) const {
    for (int32_t cell = 0; cell < count; ++cell) {
      const auto known = static_cast<size_t>(cell) < written_.size();
      if (!known || written_[cell] == kNever) cells->push_back(cell);
    }
  }

  std::vector<int32_t> order_;    // the written cells, each once
  std::vector<Written> written_;  // indexed by cell
  bool holds_text_ = false;       // the cache has a restored text, which no graph has written
};

}  // namespace llama_ets
