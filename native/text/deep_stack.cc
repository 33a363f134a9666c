#include "text/deep_stack.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <exception>

#include "files/engine_error.h"

#ifndef _WIN32
#include <pthread.h>
#endif

namespace llama_ets {

size_t LongestRun(const std::string& text) {
  std::array<size_t, 4> runs{};  // for each kind, the length of the run that ends here
  size_t longest = 0;
  for (const unsigned char byte : text) {
    if ((byte & 0xc0) == 0x80) continue;  // a further byte of the same character
    const bool is_ascii = byte < 0x80;
    const size_t kind = std::isalpha(byte)   ? 0
                        : std::isdigit(byte) ? 1
                        : std::isspace(byte) ? 2
                                             : 3;
    for (size_t i = 0; i < runs.size(); ++i) runs[i] = !is_ascii || i == kind ? runs[i] + 1 : 0;
    longest = std::max(longest, *std::max_element(runs.begin(), runs.end()));
  }
  return longest;
}

#ifdef _WIN32

void OnDeepStack(size_t, const std::function<void()>& work) {
  work();
}

#else

namespace {

struct Errand {
  const std::function<void()>* work;
  std::exception_ptr error;
};

void* Run(void* data) {
  auto* errand = static_cast<Errand*>(data);
  try {
    (*errand->work)();
  } catch (...) {
    errand->error = std::current_exception();
  }
  return nullptr;
}

}  // namespace

void OnDeepStack(size_t bytes, const std::function<void()>& work) {
  constexpr size_t kPage = 1 << 16;
  Errand errand{&work, nullptr};
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  const size_t size = (bytes + kPage - 1) / kPage * kPage;
  const bool has_started = pthread_attr_setstacksize(&attributes, size) == 0 &&
                           pthread_create(&thread, &attributes, Run, &errand) == 0;
  pthread_attr_destroy(&attributes);
  if (!has_started) {
    throw EngineError("ERR_OUT_OF_MEMORY", "The system grants no stack of " +
                                               std::to_string(size >> 20) +
                                               " MiB, which the text's longest run needs");
  }
  pthread_join(thread, nullptr);
  if (errand.error) std::rethrow_exception(errand.error);
}

#endif

}  // namespace llama_ets
