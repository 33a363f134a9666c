// All that is checked of a model or an adapter before llama.cpp loads it, llama.cpp's own reader of
// headers among it. The engine's directory is LLAMA_ETS_ENGINE.
#include "files/model_file.h"

#include "bytes_file.h"
#include "files/adapter_file.h"
#include "files/engine.h"
#include "files/engine_error.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  llama_ets::OpenEngine(std::getenv("LLAMA_ETS_ENGINE"));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const BytesFile file(data, size);
  try {
    const llama_ets::CheckedModel model = llama_ets::CheckModelFile(file.path());
    llama_ets::CheckAdapterFile(file.path(), model);
  } catch (const llama_ets::EngineError&) {
  }
  return 0;
}
