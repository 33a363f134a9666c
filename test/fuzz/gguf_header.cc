// Our own reader of GGUF headers, on bytes that no other reader has looked at.
#include "files/gguf_header.h"

#include "bytes_file.h"
#include "files/engine_error.h"

namespace {

void AskForAll(const llama_ets::GgufHeader& header) {
  for (const char* key : {"general.architecture", "split.count", "tokenizer.ggml.tokens",
                          "qwen3.block_count", "qwen3.attention.head_count"}) {
    (void)header.Has(key);
    (void)header.FindU16(key);
    (void)header.FindInteger(key);
    (void)header.FindF32(key);
    (void)header.FindString(key);
    (void)header.FindU32s(key);
    (void)header.FindIntegers(key);
    for (const std::string_view text : header.FindStrings(key)) {
      if (!text.empty() && text.front() == text.back()) continue;
    }
  }
  const auto architecture = header.FindString("general.architecture");
  if (!architecture) return;
  (void)header.KeysOf(*architecture);
  const std::string renamed = header.BytesWithArchitecture(std::string(architecture->size(), 'x'));
  if (renamed.empty()) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const BytesFile file(data, size);
  try {
    AskForAll(llama_ets::GgufHeader(file.path(), size));
  } catch (const llama_ets::EngineError&) {
  }
  return 0;
}
