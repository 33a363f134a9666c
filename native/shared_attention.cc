#include "shared_attention.h"

#include <ggml-backend-impl.h>
#include <ggml.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "attention_kernel.h"
#include "engine.h"
#include "stopwatch.h"
#include "thread_team.h"

namespace llama_ets {
namespace {

constexpr const char* kName = "llama-ets";

bool is_registered = false;
thread_local int64_t* time_spent = nullptr;  // null outside of a scope

AttentionCall CallOf(const ggml_tensor* node) {
  const ggml_tensor* q = node->src[0];
  const ggml_tensor* k = node->src[1];
  const ggml_tensor* v = node->src[2];
  const ggml_tensor* mask = node->src[3];
  AttentionCall call{};
  call.queries = static_cast<const char*>(q->data);
  call.query_row = q->nb[1];
  call.query_head = q->nb[2];
  call.keys = static_cast<const char*>(k->data);
  call.key_cell = k->nb[1];
  call.key_head = k->nb[2];
  call.values = static_cast<const char*>(v->data);
  call.value_cell = v->nb[1];
  call.value_head = v->nb[2];
  call.mask = static_cast<const char*>(mask->data);
  call.mask_row = mask->nb[1];
  call.out = static_cast<float*>(node->data);
  call.rows = static_cast<int32_t>(q->ne[1]);
  call.heads = static_cast<int32_t>(q->ne[2]);
  call.kv_heads = static_cast<int32_t>(k->ne[2]);
  call.key_size = static_cast<int32_t>(k->ne[0]);
  call.value_size = static_cast<int32_t>(v->ne[0]);
  call.cells = static_cast<int32_t>(k->ne[1]);
  std::memcpy(&call.scale, node->op_params, sizeof(float));
  std::memcpy(&call.softcap, node->op_params + 2, sizeof(float));
  return call;
}

bool Supports(const ggml_tensor* node) {
  if (time_spent == nullptr || node->op != GGML_OP_FLASH_ATTN_EXT) return false;
  const ggml_tensor* q = node->src[0];
  const ggml_tensor* k = node->src[1];
  const ggml_tensor* v = node->src[2];
  const ggml_tensor* mask = node->src[3];
  float max_bias;
  std::memcpy(&max_bias, node->op_params + 1, sizeof max_bias);
  const bool is_one_stream = q->ne[3] == 1 && k->ne[3] == 1 && v->ne[3] == 1;
  const bool has_plain_mask = mask != nullptr && mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 &&
                              mask->ne[3] == 1 && mask->nb[0] == sizeof(uint16_t) &&
                              max_bias == 0 && node->src[4] == nullptr;
  const bool is_typed = q->type == GGML_TYPE_F32 && k->type == GGML_TYPE_F16 &&
                        v->type == GGML_TYPE_F16 && node->type == GGML_TYPE_F32;
  const bool is_dense =
      q->nb[0] == sizeof(float) && k->nb[0] == sizeof(uint16_t) && v->nb[0] == sizeof(uint16_t);
  return is_one_stream && has_plain_mask && is_typed && is_dense && k->ne[2] == v->ne[2] &&
         k->ne[1] == v->ne[1] && q->ne[2] % k->ne[2] == 0 && k->ne[0] % kAttentionWidth == 0 &&
         v->ne[0] % kAttentionWidth == 0;
}

// One context's backend.
class Attention {
 public:
  void SetThreads(int32_t threads) {
    if (threads == threads_) return;
    threads_ = threads;
    team_.reset();
  }

  void Compute(const ggml_tensor* node) {
    int64_t unasked = 0;
    const Stopwatch stopwatch(time_spent != nullptr ? time_spent : &unasked);
    const AttentionCall call = CallOf(node);
    if (!team_) team_ = std::make_unique<ThreadTeam>(threads_);
    FindCells(call);
    const int32_t rows = RowsTogether(call);
    scratch_.resize(threads_);
    for (auto& scratch : scratch_) {
      scratch.resize(std::max(scratch.size(), AttentionScratch(call, rows)));
    }
    const int32_t pieces = Pieces(call, rows);
    team_->ForEach(pieces * call.kv_heads, [&](int32_t item, int32_t member) {
      // One head's pieces follow one another: its keys and values stay in the cache.
      const int32_t first = item % pieces * rows;
      const AttentionPiece piece = {item / pieces, first, std::min(rows, call.rows - first),
                                    TilesFrom(call, first)};
      Attend(call, piece, scratch_[member].data());
    });
  }

 private:
  static int32_t Pieces(const AttentionCall& call, int32_t rows) {
    return (call.rows + rows - 1) / rows;
  }

  // More rows in a piece share more, but each thread should have work.
  int32_t RowsTogether(const AttentionCall& call) const {
    constexpr int32_t kFewest = 4;
    int32_t rows = std::min(AttentionPiece::kMostRows, call.rows);
    while (rows > kFewest && Pieces(call, rows) * call.kv_heads < threads_) rows /= 2;
    return rows;
  }

  void FindCells(const AttentionCall& call) {
    tiles_.resize(static_cast<size_t>(call.rows) * TilesOf(call));
    const auto of_row = [&](int32_t row, int32_t) {
      FindAttendedCells(call, row, TilesFrom(call, row));
    };
    constexpr int64_t kWorthATeam = 1 << 19;
    if (static_cast<int64_t>(call.rows) * call.cells >= kWorthATeam) {
      team_->ForEach(call.rows, of_row);
    } else {
      for (int32_t row = 0; row < call.rows; ++row) of_row(row, 0);
    }
  }

  uint32_t* TilesFrom(const AttentionCall& call, int32_t row) {
    return &tiles_[static_cast<size_t>(row) * TilesOf(call)];
  }

  int32_t threads_ = 1;
  std::unique_ptr<ThreadTeam> team_;
  std::vector<uint32_t> tiles_;              // [row][tile]
  std::vector<std::vector<float>> scratch_;  // of each member of the team
};

// The backend's tables, as ggml-backend-impl.h asks for them.

ggml_status ComputeGraph(ggml_backend_t backend, ggml_cgraph* graph) {
  auto* attention = static_cast<Attention*>(backend->context);
  try {
    for (int i = 0; i < Engine().ggml_graph_n_nodes(graph); ++i) {
      const ggml_tensor* node = Engine().ggml_graph_node(graph, i);
      if (node->op == GGML_OP_FLASH_ATTN_EXT) attention->Compute(node);
    }
  } catch (const std::bad_alloc&) {
    return GGML_STATUS_ALLOC_FAILED;
  }
  return GGML_STATUS_SUCCESS;
}

void SetThreads(ggml_backend_t backend, int threads) {
  static_cast<Attention*>(backend->context)->SetThreads(threads);
}

ggml_guid_t Guid() {
  static ggml_guid guid = {0x6c, 0x6c, 0x61, 0x6d, 0x61, 0x2d, 0x65, 0x74,
                           0x73, 0x2d, 0x61, 0x74, 0x74, 0x6e, 0x00, 0x01};
  return &guid;
}

ggml_backend_t MakeBackend(ggml_backend_dev_t device, const char*) {
  auto* backend = new ggml_backend{};
  backend->guid = Guid();
  backend->iface.get_name = [](ggml_backend_t) { return kName; };
  backend->iface.free = [](ggml_backend_t self) {
    delete static_cast<Attention*>(self->context);
    delete self;
  };
  backend->iface.graph_compute = ComputeGraph;
  backend->device = device;
  backend->context = new Attention();
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

ggml_backend_device* Device();

ggml_backend_reg* Registration() {
  static ggml_backend_reg registration = [] {
    ggml_backend_reg made{};
    made.api_version = GGML_BACKEND_API_VERSION;
    made.iface.get_name = [](ggml_backend_reg_t) { return kName; };
    made.iface.get_device_count = [](ggml_backend_reg_t) -> size_t { return 1; };
    made.iface.get_device = [](ggml_backend_reg_t, size_t) { return Device(); };
    made.iface.get_proc_address = [](ggml_backend_reg_t, const char* name) -> void* {
      return std::string(name) == "ggml_backend_set_n_threads" ? reinterpret_cast<void*>(SetThreads)
                                                               : nullptr;
    };
    return made;
  }();
  return &registration;
}

ggml_backend_device* Device() {
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
    // The CPU's own: operations move between the two without a copy.
    made.iface.get_buffer_type = [](ggml_backend_dev_t) {
      return Engine().ggml_backend_cpu_buffer_type();
    };
    made.iface.supports_op = [](ggml_backend_dev_t, const ggml_tensor* op) { return Supports(op); };
    made.iface.supports_buft = [](ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
      return Engine().ggml_backend_buft_is_host(type);
    };
    made.reg = Registration();
    return made;
  }();
  return &device;
}

}  // namespace

void RegisterSharedAttention() {
  if (!HasAttentionKernel()) return;
  for (const auto& device : EngineDevices()) {
    if (device.type == "gpu" || device.type == "integrated-gpu") return;
  }
  Engine().ggml_backend_register(Registration());
  is_registered = true;
}

bool HasSharedAttention() {
  return is_registered;
}

SharedAttention::SharedAttention(int64_t* nanoseconds) : outer_(time_spent) {
  time_spent = nanoseconds;
}

SharedAttention::~SharedAttention() {
  time_spent = outer_;
}

}  // namespace llama_ets
