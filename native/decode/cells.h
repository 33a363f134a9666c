// Which KV cells the sequences hold, counted exactly under forking.
//
// In a unified cache a fork shares its parent's cells, and a cell is free once no sequence holds
// it. llama.cpp does not report how many cells are held, and a decode fails when the cache is full.
// So we count them: every sequence is a path through a tree of runs of cells, and the number of
// used cells is known before work is admitted.
#pragma once

#include <cstdint>
#include <memory>

namespace llama_ets {

class CellRun {
 public:
  CellRun(int64_t* used, std::shared_ptr<CellRun> parent)
      : used_(used), parent_(std::move(parent)) {}
  ~CellRun() { *used_ -= count_; }
  CellRun(const CellRun&) = delete;
  CellRun& operator=(const CellRun&) = delete;

 private:
  friend class CellPath;
  int64_t* used_;
  int64_t count_ = 0;
  std::shared_ptr<CellRun> parent_;
};

// The cells of one sequence. A copy is a fork: both share the cells that exist at that time.
class CellPath {
 public:
  explicit CellPath(int64_t* used) : used_(used) {}

  void Append(int64_t count) {
    // A shared run is never extended: the other sequences don't hold the new cells.
    if (!tip_ || tip_.use_count() > 1) tip_ = std::make_shared<CellRun>(used_, std::move(tip_));
    tip_->count_ += count;
    *used_ += count;
  }

  void RemoveLast(int64_t count) {
    while (count > 0 && tip_) {
      if (tip_->count_ <= count) {
        count -= tip_->count_;
        std::shared_ptr<CellRun> parent = tip_->parent_;
        tip_ = std::move(parent);
        continue;
      }
      if (tip_.use_count() == 1) {
        tip_->count_ -= count;
        *used_ -= count;
        return;
      }
      // Split the shared run: this path keeps the first part only, the other paths keep both parts.
      auto first = std::make_shared<CellRun>(used_, tip_->parent_);
      first->count_ = tip_->count_ - count;
      tip_->count_ = count;
      tip_->parent_ = first;
      tip_ = std::move(first);
      return;
    }
  }

 private:
  int64_t* used_;
  std::shared_ptr<CellRun> tip_;
};

}  // namespace llama_ets
