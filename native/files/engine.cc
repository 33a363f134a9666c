#include "files/engine.h"

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include <ggml-rpc.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>

#include "attention/shared_attention.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

namespace fs = std::filesystem;

std::mutex open_mutex;
std::string open_directory;  // empty until the engine is open
EngineApi api;

thread_local std::vector<std::string>* captured_log = nullptr;

void OnLog(ggml_log_level level, const char* text, void*) {
  const bool failure = level == GGML_LOG_LEVEL_WARN || level == GGML_LOG_LEVEL_ERROR;
  if (captured_log == nullptr || !failure) return;
  std::string line(text);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
  if (!line.empty()) captured_log->push_back(line);
}

#ifdef _WIN32
using Library = HMODULE;
Library OpenLibrary(const fs::path& file, std::string* reason) {
  Library library = LoadLibraryExW(
      file.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
  if (library == nullptr) *reason = "error " + std::to_string(GetLastError());
  return library;
}
void* FindFunction(Library library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(library, name));
}
void SetEnvironment(const char* name, const char* value) {
  _putenv_s(name, value);
}
#else
using Library = void*;
Library OpenLibrary(const fs::path& file, std::string* reason) {
  Library library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) *reason = dlerror();
  return library;
}
void* FindFunction(Library library, const char* name) {
  return dlsym(library, name);
}
void SetEnvironment(const char* name, const char* value) {
  setenv(name, value, 0);
}
#endif

// Whether a file is the library `stem`: [lib]<stem>.[<anything>.](so|dylib|dll). The dot must come
// right after the stem, so libggml.so matches `ggml` but libggml-cpu.so does not. Prebuilt
// libraries have the release in place of <anything>.
bool IsLibrary(const fs::path& file, const std::string& stem) {
  const std::string extension = file.extension().string();
  if (extension != ".so" && extension != ".dylib" && extension != ".dll") return false;
  const std::string name = file.filename().string();
  const size_t prefix = name.rfind("lib", 0) == 0 ? 3 : 0;
  return name.compare(prefix, stem.size() + 1, stem + ".") == 0;
}

// Finds and opens the library `stem`.
Library OpenByStem(const fs::path& directory, const std::string& stem) {
  std::vector<fs::path> matches;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(directory, unreadable)) {
    if (IsLibrary(entry.path(), stem)) matches.push_back(entry.path());
  }
  if (matches.empty()) {
    throw EngineError("ERR_ENGINE_NOT_FOUND", "Expected the engine library `" + stem + "` in " +
                                                  directory.string() + ", found none");
  }
  std::sort(matches.begin(), matches.end());
  std::string reason;
  Library library = OpenLibrary(matches.front(), &reason);
  if (library == nullptr) {
    throw EngineError("ERR_ENGINE_NOT_FOUND", "Could not open the engine library " +
                                                  matches.front().string() + ": " + reason);
  }
  return library;
}

template <typename Function>
void Resolve(Library library, const char* name, Function* function, std::string* missing) {
  void* address = FindFunction(library, name);
  if (address == nullptr) *missing += (missing->empty() ? "" : ", ") + std::string(name);
  *function = reinterpret_cast<Function>(address);
}

std::string DeviceType(ggml_backend_dev_t device) {
  switch (api.ggml_backend_dev_type(device)) {
    case GGML_BACKEND_DEVICE_TYPE_CPU:
      return "cpu";
    case GGML_BACKEND_DEVICE_TYPE_GPU:
      return "gpu";
    case GGML_BACKEND_DEVICE_TYPE_IGPU:
      return "integrated-gpu";
    default:
      return "accelerator";
  }
}

}  // namespace

void OpenEngine(const std::string& directory) {
  std::lock_guard<std::mutex> lock(open_mutex);
  if (open_directory == directory) return;
  if (!open_directory.empty()) {
    throw EngineError("ERR_INVALID_STATE",
                      "The engine in " + open_directory +
                          " is already open in this process; cannot also open " + directory);
  }
  SetEnvironment("GGML_NO_BACKTRACE", "1");  // otherwise an abort starts a debugger

  const fs::path folder = fs::path(directory);
  const Library ggml_base = OpenByStem(folder, "ggml-base");
  const Library ggml = OpenByStem(folder, "ggml");
  const Library llama = OpenByStem(folder, "llama");

  EngineApi opened;
  std::string missing;
#define LLAMA_ETS_RESOLVE_LLAMA(name) Resolve(llama, #name, &opened.name, &missing);
#define LLAMA_ETS_RESOLVE_GGML(name) Resolve(ggml, #name, &opened.name, &missing);
#define LLAMA_ETS_RESOLVE_GGML_BASE(name) Resolve(ggml_base, #name, &opened.name, &missing);
  LLAMA_ETS_LLAMA_FUNCTIONS(LLAMA_ETS_RESOLVE_LLAMA)
  LLAMA_ETS_GGML_FUNCTIONS(LLAMA_ETS_RESOLVE_GGML)
  LLAMA_ETS_GGML_BASE_FUNCTIONS(LLAMA_ETS_RESOLVE_GGML_BASE)
#undef LLAMA_ETS_RESOLVE_LLAMA
#undef LLAMA_ETS_RESOLVE_GGML
#undef LLAMA_ETS_RESOLVE_GGML_BASE
  if (!missing.empty()) {
    throw EngineError("ERR_ENGINE_NOT_FOUND",
                      "The engine in " + directory + " lacks the functions: " + missing);
  }

  opened.llama_log_set(OnLog, nullptr);
  // In this process, node-llama-cpp may have registered the same backends already.
  if (opened.ggml_backend_reg_count() == 0) {
    opened.ggml_backend_load_all_from_path(directory.c_str());
  }
  if (opened.ggml_backend_dev_count() == 0) {
    throw EngineError("ERR_ENGINE_NOT_FOUND",
                      "The engine in " + directory + " offers no device, not even a CPU");
  }
  opened.llama_backend_init();
  api = opened;
  open_directory = directory;
  RegisterSharedAttention();
}

const EngineApi& Engine() {
  if (open_directory.empty()) throw EngineError("ERR_INVALID_STATE", "No engine is open");
  return api;
}

std::vector<Device> EngineDevices() {
  std::vector<Device> devices;
  for (size_t i = 0; i < Engine().ggml_backend_dev_count(); ++i) {
    const ggml_backend_dev_t device = api.ggml_backend_dev_get(i);
    Device found;
    found.name = api.ggml_backend_dev_name(device);
    found.description = api.ggml_backend_dev_description(device);
    found.type = DeviceType(device);
    api.ggml_backend_dev_memory(device, &found.free_bytes, &found.total_bytes);
    devices.push_back(found);
  }
  return devices;
}

void AddRpcServer(const std::string& endpoint) {
  static std::set<std::string> added;
  std::lock_guard<std::mutex> lock(open_mutex);
  const ggml_backend_reg_t rpc = Engine().ggml_backend_reg_by_name("RPC");
  const auto add_server =
      rpc == nullptr
          ? nullptr
          : reinterpret_cast<decltype(&ggml_backend_rpc_add_server)>(
                api.ggml_backend_reg_get_proc_address(rpc, "ggml_backend_rpc_add_server"));
  if (add_server == nullptr) {
    throw EngineError("ERR_ENGINE_NOT_FOUND",
                      "The engine in " + open_directory + " was built without RPC");
  }
  if (added.count(endpoint) > 0) return;
  const ggml_backend_reg_t server = add_server(endpoint.c_str());
  if (server == nullptr) {
    throw EngineError("ERR_RPC_SERVER", "The RPC server at " + endpoint + " has no device");
  }
  api.ggml_backend_register(server);
  added.insert(endpoint);
  // This backend is never freed. It keeps the connection open, so that no other process can take
  // the server between two calls.
  api.ggml_backend_dev_init(api.ggml_backend_dev_get(api.ggml_backend_dev_count() - 1), nullptr);
}

std::vector<ggml_backend_dev_t> RpcDevices() {
  std::vector<ggml_backend_dev_t> devices;
  for (size_t i = 0; i < Engine().ggml_backend_dev_count(); ++i) {
    const ggml_backend_dev_t device = api.ggml_backend_dev_get(i);
    const ggml_backend_reg_t owner = api.ggml_backend_dev_backend_reg(device);
    if (std::string(api.ggml_backend_reg_name(owner)) == "RPC") devices.push_back(device);
  }
  return devices;
}

LogCapture::LogCapture() : outer_(captured_log) {
  captured_log = &lines_;
}

LogCapture::~LogCapture() {
  captured_log = outer_;
}

std::string LogCapture::Reason(const std::string& fallback) const {
  constexpr size_t kLastLines = 4;
  std::string reason;
  const size_t first = lines_.size() > kLastLines ? lines_.size() - kLastLines : 0;
  for (size_t i = first; i < lines_.size(); ++i) reason += (i > first ? "; " : "") + lines_[i];
  return reason.empty() ? fallback : reason;
}

}  // namespace llama_ets
