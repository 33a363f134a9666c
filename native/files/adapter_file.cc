#include "files/adapter_file.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

#include "files/engine_error.h"
#include "files/gguf_file.h"

namespace llama_ets {
namespace {

[[noreturn]] void Refuse(const std::string& message) {
  throw EngineError("ERR_UNSUPPORTED_MODEL", message);
}

void CheckKind(const GgufHeader& header, const std::string& model_architecture) {
  const std::string type = header.FindString("general.type").value_or("none");
  if (type != "adapter") {
    Refuse("Expected a LoRA adapter, whose `general.type` is adapter; got " + type);
  }
  const std::string kind = header.FindString("adapter.type").value_or("none");
  if (kind != "lora") Refuse("Expected `adapter.type` to be lora, got " + kind);
  if (header.Has("adapter.alora.invocation_tokens")) {
    Refuse("It is an activated LoRA, which works from some of a prompt's tokens on");
  }
  const std::string architecture = header.FindString("general.architecture").value_or("none");
  if (architecture != model_architecture) {
    Refuse("It is an adapter of another model: its architecture is " + architecture +
           ", the model's is " + model_architecture);
  }
  const std::string alpha = "adapter.lora.alpha";
  if (header.Has(alpha) && !std::isfinite(header.FindF32(alpha).value_or(NAN))) {
    Refuse("Expected `" + alpha + "` to be a finite 32-bit number");
  }
}

// llama.cpp compares only the first two dimensions with the model's, but computes with all four.
void CheckShapes(const GgufHeader& header, const CheckedModel& model) {
  constexpr std::string_view kEnds[] = {".lora_a", ".lora_b"};
  for (const auto& [name, tensor] : header.tensors()) {
    const bool is_pair = std::any_of(std::begin(kEnds), std::end(kEnds), [&](auto end) {
      return name.size() > end.size() && name.substr(name.size() - end.size()) == end;
    });
    if (!is_pair) continue;  // e.g. a norm, which llama.cpp ignores or refuses
    const std::string of(name.substr(0, name.size() - kEnds[0].size()));
    const auto found = model.tensors.find(of);
    if (found == model.tensors.end()) {
      Refuse("It is an adapter of another model: that has no tensor `" + of + "`");
    }
    const auto& own = tensor.shape;
    const auto& models = found->second.shape;
    if (own[2] != models[2] || own[3] != models[3]) {
      Refuse("It is an adapter of another model: `" + std::string(name) + "` has another shape");
    }
  }
}

}  // namespace

void CheckAdapterFile(const std::string& path, const CheckedModel& model) {
  const GgufFile file(path);
  CheckKind(file.header(), *model.header->FindString("general.architecture"));
  CheckShapes(file.header(), model);
  file.CheckTensors();
}

}  // namespace llama_ets
