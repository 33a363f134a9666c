// A GGUF file with a valid header, and checks of its tensors. Used for models, for each part of a
// split model, and for adapters.
#pragma once

#include <gguf.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "files/gguf_header.h"

namespace llama_ets {

class GgufFile {
 public:
  // Throws EngineError ERR_NOT_GGUF.
  explicit GgufFile(const std::string& path);

  const GgufHeader& header() const { return *header_; }
  std::unique_ptr<const GgufHeader> TakeHeader() { return std::move(header_); }

  // Throws EngineError: ERR_MODEL_TRUNCATED (a tensor's data lies beyond the end of the file),
  // ERR_UNSUPPORTED_MODEL (a type or an alignment that the engine would abort on).
  void CheckTensors() const;

 private:
  struct Free {
    void operator()(gguf_context* file) const;
  };

  void CheckTypes() const;
  void CheckPlaces() const;

  uint64_t size_;
  std::unique_ptr<gguf_context, Free> file_;
  std::unique_ptr<const GgufHeader> header_;
};

}  // namespace llama_ets
