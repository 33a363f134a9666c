// Work that recurses once for each character of a text.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace llama_ets {

// Characters of the longest run of one kind: letters, digits, white space, or others. What isn't
// ASCII goes on with any kind.
size_t LongestRun(const std::string& text);

// Does the work on a thread with a stack of so many bytes, of which the system gives what is used,
// and waits for it; on Windows on the caller's. Throws what the work throws, and EngineError
// ERR_OUT_OF_MEMORY where there is no such stack.
void OnDeepStack(size_t bytes, const std::function<void()>& work);

}  // namespace llama_ets
