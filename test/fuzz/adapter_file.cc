// All that is checked of an adapter before llama.cpp loads it, beside a model of one tensor.
#include "files/adapter_file.h"

#include "bytes_file.h"
#include "files/engine.h"
#include "files/engine_error.h"

namespace {

llama_ets::CheckedModel* model = nullptr;

}  // namespace

// The model is the corpus's own: LLAMA_ETS_FUZZ_MODEL.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  llama_ets::OpenEngine(std::getenv("LLAMA_ETS_ENGINE"));
  model =
      new llama_ets::CheckedModel(llama_ets::CheckModelFile(std::getenv("LLAMA_ETS_FUZZ_MODEL")));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const BytesFile file(data, size);
  try {
    llama_ets::CheckAdapterFile(file.path(), *model);
  } catch (const llama_ets::EngineError&) {
  }
  return 0;
}
