#include "decode/forked_texts.h"

#include <algorithm>
#include <string>
#include <utility>

namespace llama_ets {

ForkedTexts::~ForkedTexts() {
  for (Active& active : active_) session_->FreeSlot(&active.fork);
}

void ForkedTexts::Admit(const std::function<void(size_t)>& begin) {
  for (; next_ < texts_.size(); ++next_) {
    const Text& text = texts_[next_];
    const auto cells = static_cast<int64_t>(text.count);
    if (cells > 0) {
      if (session_->free_slots() == 0 || cells > session_->free_cells() - reserved_) {
        if (!active_.empty()) return;  // an active text will free its place
        session_->ThrowFull("A text of " + std::to_string(cells) + " tokens", 1, cells);
      }
      active_.push_back({next_, session_->ForkSlot(session_->Get(text.parent))});
      reserved_ += cells;
    }
    begin(next_);
  }
}

void ForkedTexts::AddRows(Batch* batch, BatchRoom room) {
  int32_t most = std::min(room.tokens, room.outputs);
  for (Active& active : active_) {
    const Text& text = texts_[active.text];
    for (; active.read < text.count && most > 0; --most) {
      const int32_t index =
          batch->Add(text.tokens[active.read], active.fork.length, active.fork.slot, true);
      rows_.push_back({active.text, active.read, index});
      active.read += 1;
      active.fork.length += 1;
      active.fork.cells.Append(1);
      reserved_ -= 1;
    }
  }
}

void ForkedTexts::Retire(const std::function<void(size_t, std::optional<Sequence>*)>& end) {
  rows_.clear();
  std::vector<Active> unread;
  for (Active& active : active_) {
    if (active.read < texts_[active.text].count) {
      unread.push_back(std::move(active));
      continue;
    }
    std::optional<Sequence> fork = std::move(active.fork);
    end(active.text, &fork);
    if (fork) session_->FreeSlot(&*fork);
  }
  active_ = std::move(unread);
}

}  // namespace llama_ets
