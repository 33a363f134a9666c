#include "js/model_loading.h"

#include <atomic>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "files/adapter_file.h"
#include "files/engine.h"
#include "files/engine_error.h"
#include "files/model_file.h"
#include "files/renamed_model.h"
#include "js/addon.h"
#include "js/arguments.h"
#include "js/model.h"

namespace llama_ets {
namespace {

// Whether the engine supports a classification head for the architecture that reads a text's last
// token and returns probabilities of its classes.
bool HasHead(const std::string& architecture) {
  return architecture == "qwen3" || architecture == "qwen3vl";
}

// The labels of the model's classification head. A head without its tensor is ignored, because the
// engine would return the text's embedding as classes. So is a head with one class, whose
// probability is always 1.
std::vector<std::string> LabelsOf(const GgufHeader& header, const std::string& architecture) {
  const bool ranks = header.FindU32(architecture + ".pooling_type") == LLAMA_POOLING_TYPE_RANK;
  const bool has_tensor = header.tensors().count("cls.output.weight") > 0;
  if (!ranks || !has_tensor || !HasHead(architecture)) return {};
  const auto labels = header.FindStrings(architecture + ".classifier.output_labels");
  if (labels.size() < 2) return {};
  return std::vector<std::string>(labels.begin(), labels.end());
}

// The architecture's arrays with at most one number per layer.
std::map<std::string, std::string> LayerNumbersOf(const GgufHeader& header,
                                                  const std::string& architecture) {
  std::map<std::string, std::string> result;
  const uint32_t layers = header.FindU32(architecture + ".block_count").value_or(0);
  for (const std::string& key : header.KeysOf(architecture)) {
    const std::vector<int64_t> numbers = header.FindIntegers(key);
    if (numbers.empty() || numbers.size() > layers) continue;
    std::string text;
    for (const int64_t number : numbers) {
      text += (text.empty() ? "[" : ", ") + std::to_string(number);
    }
    result.emplace(key, text + "]");
  }
  return result;
}

struct AdapterFile {
  std::string path;
  float scale;
};

constexpr uint32_t kMaxAdapters = 64;

std::vector<AdapterFile> ReadAdapters(Napi::Value value) {
  if (value.IsUndefined()) return {};
  return ReadEach<AdapterFile>(
      value, "adapters", kMaxAdapters, [](Napi::Value element, const std::string& name) {
        const Napi::Object adapter = ReadObject(element, name);
        const double scale = ReadNumber(adapter.Get("scale"), "scale", -1000, 1000);
        return AdapterFile{ReadCString(adapter.Get("path"), "path"), static_cast<float>(scale)};
      });
}

// Loads a model on libuv's thread pool, reporting progress from 0 to 1.
class Loading : public Napi::AsyncWorker {
 public:
  Loading(Napi::Env env, std::string path, std::vector<AdapterFile> adapters, int32_t gpu_layers,
          bool remote_only, bool caches_diffusion, bool without_weights, Napi::Function on_progress,
          std::shared_ptr<std::atomic<bool>> cancelled)
      : Napi::AsyncWorker(env, "llama-ets-load"),
        deferred_(Napi::Promise::Deferred::New(env)),
        path_(std::move(path)),
        adapters_(std::move(adapters)),
        gpu_layers_(gpu_layers),
        remote_only_(remote_only),
        caches_diffusion_(caches_diffusion),
        without_weights_(without_weights),
        progress_(Napi::ThreadSafeFunction::New(env, on_progress, "llama-ets-progress", 0, 1)),
        cancelled_(std::move(cancelled)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      const CheckedModel checked = CheckModelFile(path_);
      for (const AdapterFile& adapter : adapters_) {
        Naming(adapter, [&] { CheckAdapterFile(adapter.path, checked); });
      }
      LoadWeights(*checked.header);
      model_.is_split = checked.is_split;
      model_.has_weights = !without_weights_;
      for (const AdapterFile& adapter : adapters_) LoadAdapter(adapter);
    } catch (const EngineError& error) {
      code_ = error.code();
      SetError(error.what());
    } catch (const std::bad_alloc&) {
      code_ = "ERR_OUT_OF_MEMORY";
      SetError("The model does not fit into memory");
    } catch (const std::exception& error) {
      code_ = "ERR_ENGINE_FAILED";
      SetError(error.what());
    }
  }

  void OnOK() override {
    progress_.Release();
    auto external = Napi::External<LoadedModel>::New(Env(), &model_);
    deferred_.Resolve(Env().GetInstanceData<Addon>()->model.New({external}));
  }

  void OnError(const Napi::Error& error) override {
    progress_.Release();
    deferred_.Reject(ToJsError(Env(), EngineError(code_, error.Message())).Value());
  }

 private:
  void LoadWeights(const GgufHeader& header) {
    llama_model_params params = Engine().llama_model_default_params();
    params.n_gpu_layers = gpu_layers_;
    // Without a list of devices, a GPU without layers would still compute prompts, in memory that
    // is not planned.
    std::vector<ggml_backend_dev_t> devices;
    if (gpu_layers_ != 0 && remote_only_) devices = RpcDevices();
    devices.push_back(nullptr);
    if (gpu_layers_ == 0 || remote_only_) params.devices = devices.data();
    if (without_weights_) {
      params.no_alloc = true;
      params.load_mode = LLAMA_LOAD_MODE_NONE;  // the engine asserts that nothing is mapped
    }
    params.progress_callback = OnProgress;
    params.progress_callback_user_data = this;
    LogCapture log;
    const std::string own = *header.FindString("general.architecture");
    const std::optional<std::string> other =
        caches_diffusion_ ? CachingArchitecture(own) : std::nullopt;
    llama_model* model = other ? LoadRenamed(path_, header, *other, params)
                               : Engine().llama_model_load_from_file(path_.c_str(), params);
    if (*cancelled_) {
      if (model != nullptr) Engine().llama_model_free(model);
      throw EngineError("ERR_ABORTED", "Loading was cancelled");
    }
    if (model == nullptr) {
      throw EngineError("ERR_UNSUPPORTED_MODEL", log.Reason("the engine gave no reason"));
    }
    model_.model = SharedModel(model, Engine().llama_model_free);
    if (other) model_.renamed = RenamedArchitecture{own, *other};
    model_.labels = LabelsOf(header, own);
    model_.layer_numbers = LayerNumbersOf(header, own);
  }

  void LoadAdapter(const AdapterFile& adapter) {
    LogCapture log;
    // The adapter is freed with the model.
    llama_adapter_lora* loaded =
        Engine().llama_adapter_lora_init(model_.model.get(), adapter.path.c_str());
    if (loaded == nullptr) {
      Naming(adapter, [&] {
        throw EngineError("ERR_UNSUPPORTED_MODEL", log.Reason("the engine gave no reason"));
      });
    }
    model_.adapters.push_back({loaded, adapter.scale});
  }

  // Adds the adapter's path to the messages of errors. The caller adds the path of the model to all
  // errors.
  template <typename Work>
  static void Naming(const AdapterFile& adapter, Work work) {
    try {
      work();
    } catch (const EngineError& error) {
      throw EngineError(error.code(),
                        "The adapter " + adapter.path + " can't be used: " + error.what());
    }
  }

  static bool OnProgress(float progress, void* user_data) {
    auto* self = static_cast<Loading*>(user_data);
    // llama.cpp reports each tensor; we report only whole percents.
    const int percent = static_cast<int>(progress * 100);
    if (percent != self->percent_) {
      self->percent_ = percent;
      self->progress_.NonBlockingCall([progress](Napi::Env env, Napi::Function on_progress) {
        try {
          on_progress.Call({Napi::Number::New(env, progress)});
        } catch (const Napi::Error&) {
          // The environment is being terminated.
        }
      });
    }
    return !*self->cancelled_;
  }

  Napi::Promise::Deferred deferred_;
  const std::string path_;
  const std::vector<AdapterFile> adapters_;
  const int32_t gpu_layers_;
  const bool remote_only_;
  const bool caches_diffusion_;
  const bool without_weights_;
  Napi::ThreadSafeFunction progress_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  int percent_ = -1;
  std::string code_;
  LoadedModel model_;
};

}  // namespace

Napi::Value LoadModel(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guarded(env, [&]() -> Napi::Value {
    const Napi::Object options = ReadObject(info[0], "options");
    std::string path = ReadCString(options.Get("path"), "path");
    const auto gpu_layers =
        static_cast<int32_t>(ReadInteger(options.Get("gpuLayers"), "gpuLayers", -1, 1 << 16));
    const bool remote_only = ReadFlag(options, "remoteOnly");
    const bool caches_diffusion = ReadBoolean(options.Get("cachesDiffusion"), "cachesDiffusion");
    const bool without_weights = ReadFlag(options, "withoutWeights");
    const Napi::Function on_progress = ReadFunction(options.Get("onProgress"), "onProgress");
    std::vector<AdapterFile> adapters = ReadAdapters(options.Get("adapters"));
    Engine();  // throws if no engine is open
    auto cancelled = std::make_shared<std::atomic<bool>>(false);
    auto* loading = new Loading(env, std::move(path), std::move(adapters), gpu_layers, remote_only,
                                caches_diffusion, without_weights, on_progress, cancelled);
    Napi::Object handle = Napi::Object::New(env);
    handle["promise"] = loading->Promise();
    handle["cancel"] = Napi::Function::New(
        env, [cancelled](const Napi::CallbackInfo&) { *cancelled = true; }, "cancel");
    loading->Queue();  // `loading` deletes itself when it is done
    return handle;
  });
}

Napi::Value CheckModel(const Napi::CallbackInfo& info) {
  return Guarded(info.Env(), [&]() -> Napi::Value {
    CheckModelFile(ReadCString(info[0], "path"));
    return info.Env().Undefined();
  });
}

}  // namespace llama_ets
