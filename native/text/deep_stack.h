// Runs work that recurses once for each character of a text.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace llama_ets {

// The number of characters in the longest run of one kind: letters, digits, white space, or others.
// A character that isn't ASCII counts as every kind.
size_t LongestRun(const std::string& text);

// Runs `work` on a thread with a stack of `bytes` bytes and waits for it. The system provides only
// the memory of the stack that is used. On Windows it runs `work` on the calling thread. Throws
// what `work` throws, and EngineError ERR_OUT_OF_MEMORY if there is no room for such a stack.
void OnDeepStack(size_t bytes, const std::function<void()>& work);

}  // namespace llama_ets
