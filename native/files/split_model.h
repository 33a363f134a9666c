// Models that lie in several files, NAME-00001-of-00003.gguf and so on: llama.cpp is given the
// first, and finds the others by their names.
#pragma once

#include <string>
#include <vector>

#include "files/gguf_file.h"

namespace llama_ets {

// The parts behind the first, each checked; none for a model in one file. Throws EngineError:
// ERR_MODEL_NOT_FOUND for one that is missing, and for the others what GgufFile throws and
// ERR_UNSUPPORTED_MODEL, with their names.
std::vector<GgufFile> OpenOtherParts(const std::string& path, const GgufFile& first);

}  // namespace llama_ets
