#include "decode/thoughts.h"

#include <algorithm>

#include "decode/token_text.h"

namespace llama_ets {
namespace {

// Keeps only the last `size` - 1 bytes: a string of `size` bytes that is not complete yet can have
// begun only there.
void CutTo(size_t size, std::string* tail) {
  if (tail->size() >= size) tail->erase(0, tail->size() - (size - 1));
}

}  // namespace

void LoopWatch::Add(llama_token token) {
  for (size_t distance = 1; distance <= std::min(count_, kLoopWindow); ++distance) {
    const llama_token before = last_[(count_ - distance) % kLoopWindow];
    uint16_t& equal = equal_[distance - 1];
    equal = before == token ? equal + 1 : 0;
    const size_t repeated = std::max(kLoopTokens, kLoopRepeats * distance);
    is_loop_ = is_loop_ || equal + distance >= repeated;
  }
  last_[count_ % kLoopWindow] = token;
  count_ += 1;
}

void LoopWatch::Reset() {
  *this = LoopWatch();
}

ThoughtState Thoughts::StateOf(const std::vector<llama_token>& tokens) const {
  ThoughtState state;
  if (rules_.begins_inside) state.place = ThoughtPlace::kInside;
  for (const llama_token token : tokens) Add(token, &state);
  return state;
}

void Thoughts::Add(llama_token token, ThoughtState* state) const {
  const bool was_inside = state->place == ThoughtPlace::kInside;
  const bool is_forced = Forced(*state) == token;
  state->tail += TextOf(vocab_, token, /*special=*/true);
  Read(state);
  // The token that completes a tag does not count against the budget.
  if (was_inside && !is_forced && state->place == ThoughtPlace::kInside) {
    state->spent += 1;
    if (rules_.cuts_loops) state->loop.Add(token);
  }
  state->forced = is_forced ? state->forced + 1 : 0;
  if (state->forced < rules_.closing.size()) return;
  state->forced = 0;
  // The text of the closing tokens normally completes an end tag, and Read has then left the
  // thought. The vocabulary may spell the tag differently, so it is left here in any case.
  if (state->place == ThoughtPlace::kInside) state->place = ThoughtPlace::kAnswer;
}

std::optional<llama_token> Thoughts::Forced(const ThoughtState& state) const {
  if (rules_.stops) return std::nullopt;
  if (state.forced > 0) return rules_.closing[state.forced];
  if (IsSpent(state)) return rules_.closing.front();
  return std::nullopt;
}

bool Thoughts::IsSpent(const ThoughtState& state) const {
  if (state.place != ThoughtPlace::kInside) return false;
  return (rules_.budget && state.spent >= *rules_.budget) || state.loop.is_loop();
}

// Moves the state past all complete tags in the tail.
void Thoughts::Read(ThoughtState* state) const {
  std::string& tail = state->tail;
  for (;;) {
    if (state->place == ThoughtPlace::kInside) {
      size_t at = std::string::npos, size = 0, longest = 0;
      for (const std::string& end : rules_.ends) {
        const size_t found = tail.find(end);
        longest = std::max(longest, end.size());
        if (found >= at) continue;
        at = found;
        size = end.size();
      }
      if (at == std::string::npos) return CutTo(longest, &tail);
      tail.erase(0, at + size);
      state->place = ThoughtPlace::kAnswer;
      state->loop.Reset();
      continue;
    }
    if (rules_.opens_anywhere) {
      const size_t at = tail.find(rules_.start);
      if (at == std::string::npos) {
        const bool is_blank = tail.find_first_not_of(" \t\r\n") == std::string::npos;
        const bool may_open = rules_.start.compare(0, tail.size(), tail) == 0;
        if (!is_blank && !may_open) state->place = ThoughtPlace::kAnswer;
        return CutTo(rules_.start.size(), &tail);
      }
      tail.erase(0, at + rules_.start.size());
    } else {
      if (state->place == ThoughtPlace::kAnswer) return tail.clear();
      tail.erase(0, std::min(tail.find_first_not_of(" \t\r\n"), tail.size()));
      const size_t common = std::min(tail.size(), rules_.start.size());
      if (tail.compare(0, common, rules_.start, 0, common) != 0) {
        state->place = ThoughtPlace::kAnswer;
        continue;
      }
      if (common < rules_.start.size()) return;
      tail.erase(0, common);
    }
    state->place = ThoughtPlace::kInside;
  }
}

}  // namespace llama_ets
