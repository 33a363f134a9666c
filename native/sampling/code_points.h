// Sets of code points, as lists of ranges.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace llama_ets {

constexpr uint32_t kLastCodePoint = 0x10ffff;

// The code points from `first` to `last`, both included.
struct CodePointRange {
  uint32_t first;
  uint32_t last;
};

// The same code points as ascending ranges that neither overlap nor touch. A range whose last code
// point is below its first is empty.
inline std::vector<CodePointRange> Merged(std::vector<CodePointRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const CodePointRange& a, const CodePointRange& b) { return a.first < b.first; });
  std::vector<CodePointRange> merged;
  for (const CodePointRange& range : ranges) {
    if (range.last < range.first) continue;
    if (merged.empty() || merged.back().last + uint64_t{1} < range.first) {
      merged.push_back(range);
    } else {
      merged.back().last = std::max(merged.back().last, range.last);
    }
  }
  return merged;
}

// All code points that are not in `ranges`, which must be merged.
inline std::vector<CodePointRange> Others(const std::vector<CodePointRange>& ranges) {
  std::vector<CodePointRange> others;
  uint64_t next = 0;
  for (const CodePointRange& range : ranges) {
    if (range.first > next) others.push_back({static_cast<uint32_t>(next), range.first - 1});
    next = range.last + uint64_t{1};
  }
  if (next <= kLastCodePoint) others.push_back({static_cast<uint32_t>(next), kLastCodePoint});
  return others;
}

}  // namespace llama_ets
