#include "files/renamed_model.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

namespace fs = std::filesystem;

#ifdef __GLIBC__

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// A stream of the file's bytes in which the first bytes are replaced by another header of the same
// size. It supports only reads and seeks.
class PatchedFile {
 public:
  PatchedFile(const std::string& path, std::string header)
      : header_(std::move(header)), file_(std::fopen(path.c_str(), "rb")) {
    if (!file_) throw EngineError("ERR_ENGINE_FAILED", path + ": " + std::strerror(errno));
    std::setvbuf(file_.get(), nullptr, _IONBF, 0);  // because the stream from Open has a buffer
  }

  File Open() {
    File stream(
        fopencookie(this, "rb", {&PatchedFile::Read, nullptr, &PatchedFile::Seek, nullptr}));
    if (!stream) throw EngineError("ERR_ENGINE_FAILED", std::strerror(errno));
    return stream;
  }

 private:
  static ssize_t Read(void* cookie, char* buffer, size_t size) {
    auto* self = static_cast<PatchedFile*>(cookie);
    const auto at = static_cast<size_t>(self->at_);
    size_t count = 0;
    if (at < self->header_.size()) {
      count = std::min(size, self->header_.size() - at);
      std::memcpy(buffer, self->header_.data() + at, count);
    } else {
      if (fseeko(self->file_.get(), self->at_, SEEK_SET) != 0) return -1;
      count = std::fread(buffer, 1, size, self->file_.get());
    }
    self->at_ += static_cast<off64_t>(count);
    return static_cast<ssize_t>(count);
  }

  static int Seek(void* cookie, off64_t* offset, int whence) {
    auto* self = static_cast<PatchedFile*>(cookie);
    if (fseeko(self->file_.get(), whence == SEEK_CUR ? self->at_ + *offset : *offset,
               whence == SEEK_CUR ? SEEK_SET : whence) != 0) {
      return -1;
    }
    *offset = self->at_ = ftello(self->file_.get());
    return 0;
  }

  const std::string header_;
  File file_;
  off64_t at_ = 0;
};

llama_model* Load(const std::string& path, std::string header, llama_model_params params) {
  PatchedFile file(path, std::move(header));
  const File stream = file.Open();
  return Engine().llama_model_load_from_file_ptr(stream.get(), params);
}

#else

// Without glibc a stream can't be made of two parts, so we load a changed copy of the file and then
// remove it.
llama_model* Load(const std::string& path, std::string header, llama_model_params params) {
  const fs::path copy =
      fs::temp_directory_path() / ("llama-ets-" + std::to_string(std::random_device()()) + ".gguf");
  struct Remover {
    const fs::path& path;
    ~Remover() {
      std::error_code ignored;
      fs::remove(path, ignored);
    }
  } remover{copy};
  fs::copy_file(fs::u8path(path), copy);
  std::fstream file(copy, std::ios::binary | std::ios::in | std::ios::out);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  file.close();
  if (!file) throw EngineError("ERR_ENGINE_FAILED", "Could not write " + copy.u8string());
  return Engine().llama_model_load_from_file(copy.u8string().c_str(), params);
}

#endif

}  // namespace

std::optional<std::string> CachingArchitecture(const std::string& architecture) {
  if (architecture == "llada") return "llama";
  if (architecture == "dream") return "qwen2";
  return std::nullopt;
}

llama_model* LoadRenamed(const std::string& path, const GgufHeader& header,
                         const std::string& architecture, llama_model_params params) {
  params.load_mode = LLAMA_LOAD_MODE_NONE;  // a mapped file would have the original header
  return Load(path, header.BytesWithArchitecture(architecture), params);
}

}  // namespace llama_ets
