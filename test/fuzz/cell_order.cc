// The order of a cache's cells, beside a plain list of what was written: the last writing counts.
#include "attention/cell_order.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

constexpr int32_t kCells = 64;

std::vector<int32_t> Expected(const std::vector<int32_t>& writings, bool holds_text,
                              int32_t count) {
  std::vector<int32_t> order;
  for (auto it = writings.rbegin(); it != writings.rend(); ++it) {
    if (std::find(order.begin(), order.end(), *it) == order.end()) order.push_back(*it);
  }
  std::reverse(order.begin(), order.end());
  std::vector<int32_t> unwritten;
  for (int32_t cell = 0; cell < count; ++cell) {
    if (std::find(order.begin(), order.end(), cell) == order.end()) unwritten.push_back(cell);
  }
  order.erase(std::remove_if(order.begin(), order.end(), [&](int32_t c) { return c >= count; }),
              order.end());
  order.insert(holds_text ? order.begin() : order.end(), unwritten.begin(), unwritten.end());
  return order;
}

}  // namespace

// A byte is the number of cells to write, which follow, each once; from 128 on it forgets, or
// looks.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  llama_ets::CellOrder order;
  std::vector<int32_t> writings;
  bool holds_text = false;
  for (size_t at = 0; at < size;) {
    const uint8_t step = data[at++];
    if (step >= 240) {
      order.Forget();
      writings.clear();
      holds_text = true;
    } else if (step >= 128) {
      const int32_t count = step % (2 * kCells);
      if (order.FirstCells(count) != Expected(writings, holds_text, count)) abort();
    } else {
      std::vector<int64_t> cells;
      for (int n = 0; n < step % kCells && at < size; ++n, ++at) {
        const int64_t cell = data[at] % kCells;
        if (std::find(cells.begin(), cells.end(), cell) == cells.end()) cells.push_back(cell);
      }
      order.Write(cells.data(), static_cast<int64_t>(cells.size()));
      writings.insert(writings.end(), cells.begin(), cells.end());
    }
  }
  return 0;
}
