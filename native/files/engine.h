// The engine: llama.cpp's C API, resolved at run time from a directory of shared libraries.
//
// The addon links to none of these libraries. It opens ggml-base, ggml and llama in this order and
// looks every function up by name, so one addon works with the CPU, CUDA, Vulkan and Metal builds
// of one release. A process can open one engine; opening it again with the same directory does
// nothing.
#pragma once

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <gguf.h>
#include <llama.h>

#include <string>
#include <vector>

namespace llama_ets {

// The functions of each library. OpenEngine resolves all of them and throws if one is missing.
// clang-format off
#define LLAMA_ETS_LLAMA_FUNCTIONS(X)                                                    \
  X(llama_backend_init) X(llama_log_set) X(llama_max_parallel_sequences)                \
  X(llama_model_default_params) X(llama_context_default_params)                         \
  X(llama_model_load_from_file) X(llama_model_free) X(llama_model_get_vocab)            \
  X(llama_model_n_ctx_train) X(llama_model_n_embd) X(llama_model_n_layer)               \
  X(llama_model_n_head) X(llama_model_n_head_kv) X(llama_model_n_swa)                   \
  X(llama_model_n_params) X(llama_model_size) X(llama_model_desc)                       \
  X(llama_model_chat_template) X(llama_model_has_encoder) X(llama_model_has_decoder)    \
  X(llama_model_is_recurrent) X(llama_model_is_hybrid) X(llama_model_is_diffusion)      \
  X(llama_model_meta_count) X(llama_model_meta_key_by_index)                            \
  X(llama_model_meta_val_str_by_index) X(llama_init_from_model) X(llama_free)           \
  X(llama_get_memory) X(llama_n_ctx) X(llama_memory_clear) X(llama_memory_seq_rm)       \
  X(llama_memory_seq_cp) X(llama_decode) X(llama_synchronize) X(llama_set_n_threads)     \
  X(llama_get_logits_ith) X(llama_get_embeddings_seq) X(llama_vocab_n_tokens) X(llama_vocab_get_attr)               \
  X(llama_vocab_get_text) X(llama_vocab_is_eog)                                         \
  X(llama_vocab_bos) X(llama_vocab_eos) X(llama_vocab_eot) X(llama_vocab_pad)           \
  X(llama_vocab_mask) X(llama_vocab_get_add_bos) X(llama_vocab_get_add_eos)             \
  X(llama_tokenize) X(llama_token_to_piece)                                             \
  X(llama_model_meta_val_str) X(llama_model_load_from_file_ptr)                         \
  X(llama_adapter_lora_init) X(llama_set_adapters_lora)                                 \
  X(llama_sampler_init) X(llama_sampler_free) X(llama_sampler_chain_init)               \
  X(llama_sampler_chain_add) X(llama_sampler_chain_default_params)                      \
  X(llama_state_seq_get_size) X(llama_state_seq_get_data) X(llama_state_seq_set_data)

#define LLAMA_ETS_GGML_FUNCTIONS(X)                                                     \
  X(ggml_backend_load_all_from_path) X(ggml_backend_reg_count)                          \
  X(ggml_backend_reg_get) X(ggml_backend_reg_by_name)                                   \
  X(ggml_backend_dev_count) X(ggml_backend_dev_get) X(ggml_backend_register)

#define LLAMA_ETS_GGML_BASE_FUNCTIONS(X)                                                \
  X(ggml_backend_dev_name) X(ggml_backend_dev_description) X(ggml_backend_dev_type)     \
  X(ggml_backend_dev_memory) X(gguf_init_from_file) X(gguf_free) X(gguf_find_key)       \
  X(gguf_get_kv_type) X(gguf_get_val_str) X(gguf_get_val_u32) X(gguf_get_n_tensors)     \
  X(gguf_get_tensor_offset) X(gguf_get_tensor_size) X(gguf_get_data_offset)             \
  X(gguf_get_tensor_name) X(ggml_init) X(ggml_free) X(ggml_tensor_overhead)             \
  X(ggml_custom_4d) X(ggml_graph_n_nodes) X(ggml_graph_node)                            \
  X(ggml_backend_graph_compute) X(ggml_backend_free) X(ggml_backend_dev_init)           \
  X(ggml_backend_dev_buffer_type) X(ggml_backend_dev_supports_op)                       \
  X(ggml_backend_dev_supports_buft) X(ggml_backend_dev_backend_reg)                     \
  X(ggml_backend_reg_get_proc_address) X(ggml_new_tensor_4d) X(ggml_permute)            \
  X(ggml_flash_attn_ext) X(ggml_flash_attn_ext_add_sinks) X(ggml_fp32_to_fp16_row)      \
  X(ggml_new_graph_custom) X(ggml_graph_overhead_custom) X(ggml_build_forward_expand)   \
  X(ggml_argmax) X(ggml_get_rows) X(ggml_pad) X(ggml_reshape_3d) X(ggml_soft_max_ext)   \
  X(ggml_sum_rows) X(ggml_set_output) X(ggml_gallocr_new) X(ggml_gallocr_alloc_graph)   \
  X(ggml_gallocr_free) X(ggml_backend_tensor_alloc) X(ggml_backend_tensor_get)          \
  X(ggml_backend_tensor_get_async) X(ggml_backend_synchronize)                          \
  X(ggml_backend_buffer_get_type) X(ggml_backend_buft_get_device)                       \
  X(ggml_backend_buft_is_host) X(ggml_backend_reg_name)
// clang-format on

struct EngineApi {
#define LLAMA_ETS_DECLARE(name) decltype(&::name) name = nullptr;
  LLAMA_ETS_LLAMA_FUNCTIONS(LLAMA_ETS_DECLARE)
  LLAMA_ETS_GGML_FUNCTIONS(LLAMA_ETS_DECLARE)
  LLAMA_ETS_GGML_BASE_FUNCTIONS(LLAMA_ETS_DECLARE)
#undef LLAMA_ETS_DECLARE
};

struct Device {
  std::string name;
  std::string description;
  std::string type;  // "cpu", "gpu", "integrated-gpu", "accelerator"
  size_t free_bytes = 0;
  size_t total_bytes = 0;
};

// Opens the engine in `directory`. Throws EngineError ERR_ENGINE_NOT_FOUND (a library, a function
// or a device is missing) or ERR_INVALID_STATE (another engine is open in this process).
void OpenEngine(const std::string& directory);

// The opened engine's functions. Throws EngineError ERR_INVALID_STATE before OpenEngine.
const EngineApi& Engine();

std::vector<Device> EngineDevices();

// Adds the devices of llama.cpp's RPC server at "host:port" to the engine's devices; does nothing
// if they were added before. From then on the server serves only this process. The engine aborts
// the process if it can't reach the server, or loses the connection later. Throws EngineError
// ERR_ENGINE_NOT_FOUND if the engine was built without GGML_RPC, ERR_RPC_SERVER if the server has
// no device.
void AddRpcServer(const std::string& endpoint);

// The devices of all added RPC servers.
std::vector<ggml_backend_dev_t> RpcDevices();

// While it exists, collects the warnings and errors that the engine logs on this thread. llama.cpp
// reports only in its log why a call failed.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  // The last lines, joined by "; ", or `fallback` when nothing was logged.
  std::string Reason(const std::string& fallback) const;

 private:
  std::vector<std::string> lines_;
  std::vector<std::string>* outer_;
};

}  // namespace llama_ets
