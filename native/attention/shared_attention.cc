#include "attention/shared_attention.h"

#include "attention/attention_build.h"

#ifndef LLAMA_ETS_NO_ATTENTION

#include <ggml-backend-impl.h>

#include <chrono>
#include <exception>
#include <new>
#include <string>

#include "attention/attention_kernel.h"
#include "attention/attention_test.h"
#include "attention/graph_attention.h"
#include "files/engine.h"

namespace llama_ets {
namespace {

constexpr const char* kName = "llama-ets";

ggml_backend_dev_t cpu = nullptr;  // the engine's CPU device
AttentionStatus status;
thread_local SharedAttention* scope = nullptr;

// Looks up a function that only the engine's CPU backend has.
template <typename Function>
Function OfCpu(const char* name) {
  const ggml_backend_reg_t registration = Engine().ggml_backend_dev_backend_reg(cpu);
  return reinterpret_cast<Function>(Engine().ggml_backend_reg_get_proc_address(registration, name));
}

// The data of one context's backend: an engine's CPU backend that computes graphs, and our
// attention.
struct ContextBackend {
  ggml_backend_t computing;
  GraphAttention attention;
  int32_t threads = 0;
};

ContextBackend* Own(ggml_backend_t backend) {
  return static_cast<ContextBackend*>(backend->context);
}

ggml_status ComputeGraph(ggml_backend_t backend, ggml_cgraph* graph) {
  ContextBackend* own = Own(backend);
  int64_t unasked = 0;
  try {
    if (scope != nullptr && scope->forgets_writes) {
      own->attention.ForgetWrites();
      scope->forgets_writes = false;
    }
    return own->attention.Compute(own->computing, graph, own->threads,
                                  scope != nullptr ? &scope->nanoseconds : &unasked);
  } catch (const std::bad_alloc&) {
    return GGML_STATUS_ALLOC_FAILED;
  }
}

void SetThreads(ggml_backend_t backend, int threads) {
  Own(backend)->threads = threads;
  OfCpu<ggml_backend_set_n_threads_t>("ggml_backend_set_n_threads")(Own(backend)->computing,
                                                                    threads);
}

void SetAbortCallback(ggml_backend_t backend, ggml_abort_callback callback, void* data) {
  OfCpu<ggml_backend_set_abort_callback_t>("ggml_backend_set_abort_callback")(
      Own(backend)->computing, callback, data);
}

bool Supports(ggml_backend_dev_t, const ggml_tensor* operation) {
  if (scope == nullptr || !scope->on) return false;
  if (operation->op == GGML_OP_FLASH_ATTN_EXT && !KernelTakes(operation)) {
    scope->lacks_kernel = true;
    return false;
  }
  return Engine().ggml_backend_dev_supports_op(cpu, operation);
}

void* FindOwnFunction(ggml_backend_reg_t, const char* name) {
  if (std::string(name) == "ggml_backend_set_n_threads") {
    return reinterpret_cast<void*>(SetThreads);
  }
  if (std::string(name) == "ggml_backend_set_abort_callback") {
    return reinterpret_cast<void*>(SetAbortCallback);
  }
  return nullptr;
}

ggml_guid_t Guid() {
  static ggml_guid guid = {0x6c, 0x6c, 0x61, 0x6d, 0x61, 0x2d, 0x65, 0x74,
                           0x73, 0x2d, 0x61, 0x74, 0x74, 0x6e, 0x00, 0x01};
  return &guid;
}

ggml_backend_t MakeBackend(ggml_backend_dev_t device, const char*) {
  const ggml_backend_t computing = Engine().ggml_backend_dev_init(cpu, nullptr);
  if (computing == nullptr) return nullptr;
  auto* backend = new ggml_backend{};
  backend->guid = Guid();
  backend->iface.get_name = [](ggml_backend_t) { return kName; };
  backend->iface.free = [](ggml_backend_t self) {
    Engine().ggml_backend_free(Own(self)->computing);
    delete Own(self);
    delete self;
  };
  backend->iface.graph_compute = ComputeGraph;
  backend->device = device;
  backend->context = new ContextBackend{computing, {}};
  SetThreads(backend, GGML_DEFAULT_N_THREADS);  // llama.cpp sets the actual number later
  return backend;
}

const char* Description(ggml_backend_dev_t) {
  return "attention over what texts have in common";
}

void Memory(ggml_backend_dev_t, size_t* free, size_t* total) {
  *free = *total = 0;
}

enum ggml_backend_dev_type Type(ggml_backend_dev_t) {
  return GGML_BACKEND_DEVICE_TYPE_ACCEL;
}

ggml_backend_device* OwnDevice();

ggml_backend_reg* Registration() {
  static ggml_backend_reg registration = [] {
    ggml_backend_reg made{};
    made.api_version = GGML_BACKEND_API_VERSION;
    made.iface.get_name = [](ggml_backend_reg_t) { return kName; };
    made.iface.get_device_count = [](ggml_backend_reg_t) -> size_t { return 1; };
    made.iface.get_device = [](ggml_backend_reg_t, size_t) { return OwnDevice(); };
    made.iface.get_proc_address = FindOwnFunction;
    return made;
  }();
  return &registration;
}

// Our device. It supports the same operations as the engine's CPU device, in the same memory, so a
// graph need not be split.
ggml_backend_device* OwnDevice() {
  static ggml_backend_device device = [] {
    ggml_backend_device made{};
    made.iface.get_name = [](ggml_backend_dev_t) { return kName; };
    made.iface.get_description = Description;
    made.iface.get_memory = Memory;
    made.iface.get_type = Type;
    made.iface.get_props = [](ggml_backend_dev_t self, ggml_backend_dev_props* props) {
      *props = {};
      props->name = kName;
      props->description = Description(self);
      props->type = Type(self);
    };
    made.iface.init_backend = MakeBackend;
    made.iface.get_buffer_type = [](ggml_backend_dev_t) {
      return Engine().ggml_backend_dev_buffer_type(cpu);
    };
    made.iface.supports_op = Supports;
    made.iface.supports_buft = [](ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
      return Engine().ggml_backend_dev_supports_buft(cpu, type);
    };
    made.reg = Registration();
    return made;
  }();
  return &device;
}

// Sets `cpu` to the engine's CPU device. Returns the reason why our attention can't be used with
// this processor or these devices, or "".
std::string FindCpu() {
  if (!HasAttentionKernel()) return "the processor lacks AVX2, FMA or F16C";
  for (size_t i = 0; i < Engine().ggml_backend_dev_count(); ++i) {
    const ggml_backend_dev_t device = Engine().ggml_backend_dev_get(i);
    const auto type = Engine().ggml_backend_dev_type(device);
    if (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU) {
      return std::string("a GPU is there (") + Engine().ggml_backend_dev_name(device) + ")";
    }
    if (type == GGML_BACKEND_DEVICE_TYPE_CPU) cpu = device;
  }
  return cpu == nullptr ? "the engine has no CPU backend" : "";
}

}  // namespace

std::string CheckSharedAttention(const AttentionExpectations& expected) {
  for (size_t i = 0; i < Engine().ggml_backend_reg_count(); ++i) {
    // In every version this is the first member, so it can be read safely.
    const int found = Engine().ggml_backend_reg_get(i)->api_version;
    if (found == expected.api_version) continue;
    return "backend API " + std::to_string(expected.api_version) + " expected, found " +
           std::to_string(found);
  }
  const SharedAttention scope(true);
  return TestAttention(OwnDevice(), cpu, expected.tolerance);
}

void RegisterSharedAttention() {
  const auto start = std::chrono::steady_clock::now();
  try {
    status.reason = FindCpu();
    if (status.reason.empty()) {
      status.reason = CheckSharedAttention({GGML_BACKEND_API_VERSION, kAttentionTolerance});
    }
  } catch (const std::exception& error) {
    status.reason = std::string("self-test failed: ") + error.what();
  }
  if (status.reason.empty()) {
    Engine().ggml_backend_register(Registration());
    status.is_there = true;
    status.reason = "AVX2; self-test agrees";
  }
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  status.milliseconds = taken.count();
}

const AttentionStatus& SharedAttentionStatus() {
  return status;
}

SharedAttention::SharedAttention(bool on) : on(on), outer_(scope) {
  scope = this;
}

SharedAttention::~SharedAttention() {
  scope = outer_;
}

}  // namespace llama_ets

#endif  // LLAMA_ETS_NO_ATTENTION
