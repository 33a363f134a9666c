#include "files/split_model.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "files/engine_error.h"

namespace llama_ets {
namespace {

namespace fs = std::filesystem;

// The end of a part's file name, as llama.cpp names parts.
std::string EndOfName(uint32_t part, uint32_t parts) {
  char end[32];
  std::snprintf(end, sizeof end, "-%05u-of-%05u.gguf", part, parts);
  return end;
}

[[noreturn]] void Refuse(const std::string& message) {
  throw EngineError("ERR_UNSUPPORTED_MODEL", message);
}

// The number of tensors of the whole model, which each part states.
std::optional<int64_t> TensorsOf(const GgufHeader& header) {
  return header.FindInteger("split.tensors.count");
}

void CheckMembership(const GgufHeader& part, const GgufHeader& first, uint32_t number,
                     uint32_t parts) {
  const uint32_t own = part.FindU16("split.no").value_or(0) + 1u;
  const uint32_t own_parts = part.FindU16("split.count").value_or(1);
  if (own != number || own_parts != parts) {
    Refuse("it says that it is part " + std::to_string(own) + " of " + std::to_string(own_parts));
  }
  const auto architecture = part.FindString("general.architecture");
  const bool is_other = architecture && architecture != first.FindString("general.architecture");
  if (is_other || TensorsOf(part) != TensorsOf(first)) Refuse("it is of another model");
}

}  // namespace

std::vector<GgufFile> OpenOtherParts(const std::string& path, const GgufFile& first) {
  const uint32_t parts = first.header().FindU16("split.count").value_or(1);
  if (parts <= 1) return {};
  const std::string end = EndOfName(1, parts);
  if (path.size() <= end.size() || path.compare(path.size() - end.size(), end.size(), end) != 0) {
    Refuse(
        "It is the first of " + std::to_string(parts) +
        " parts of a split model, which are found by their names: expected its own to end with " +
        end);
  }
  const std::string stem = path.substr(0, path.size() - end.size());
  std::unordered_set<std::string_view> seen;
  const auto add = [&](const GgufHeader& header) {
    for (const auto& [name, tensor] : header.tensors()) {
      if (!seen.insert(name).second) Refuse("tensor `" + std::string(name) + "` is there twice");
    }
  };
  add(first.header());
  std::vector<GgufFile> others;
  others.reserve(parts - 1);
  for (uint32_t number = 2; number <= parts; ++number) {
    const std::string name = stem + EndOfName(number, parts);
    const std::string what =
        "Part " + std::to_string(number) + " of " + std::to_string(parts) + ", " + name;
    if (!fs::exists(fs::u8path(name))) {
      throw EngineError("ERR_MODEL_NOT_FOUND", what + ", is missing");
    }
    try {
      others.emplace_back(name);
      CheckMembership(others.back().header(), first.header(), number, parts);
      others.back().CheckTensors();
      add(others.back().header());
    } catch (const EngineError& error) {
      throw EngineError(error.code(), what + ", can't be used: " + error.what());
    }
  }
  const auto all = TensorsOf(first.header());
  if (all && *all != static_cast<int64_t>(seen.size())) {
    Refuse("The parts have " + std::to_string(seen.size()) + " tensors together, expected " +
           std::to_string(*all) + ": one of them is of another model");
  }
  return others;
}

}  // namespace llama_ets
