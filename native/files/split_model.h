// Models that are split into several files, NAME-00001-of-00003.gguf and so on. llama.cpp gets the
// path of the first file and finds the others by their names.
#pragma once

#include <string>
#include <vector>

#include "files/gguf_file.h"

namespace llama_ets {

// Opens and checks all parts after the first; a model in one file has none. Throws EngineError:
// ERR_MODEL_NOT_FOUND if a part is missing, or for a part the errors of GgufFile and
// ERR_UNSUPPORTED_MODEL. The messages name the part.
std::vector<GgufFile> OpenOtherParts(const std::string& path, const GgufFile& first);

}  // namespace llama_ets
