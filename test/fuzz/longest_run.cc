// What decides whether a text is tokenized on a deep stack: no run of one character may be missed.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "text/deep_stack.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  size_t longest = 0;
  for (size_t from = 0; from < size;) {
    size_t to = from;
    while (to < size && data[to] == data[from]) ++to;
    if (data[from] < 0x80) longest = std::max(longest, to - from);
    from = to;
  }
  const size_t run = llama_ets::LongestRun(text);
  if (run < longest || run > size) abort();
  return 0;
}
