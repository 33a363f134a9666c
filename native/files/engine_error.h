// An error with one of the library's codes. JavaScript gets it as a LlamaEtsError.
#pragma once

#include <stdexcept>
#include <string>

namespace llama_ets {

class EngineError : public std::runtime_error {
 public:
  EngineError(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

}  // namespace llama_ets
