#include "decoder.h"

#include <algorithm>
#include <string>

#include "engine.h"
#include "engine_error.h"
#include "stopwatch.h"

namespace llama_ets {
namespace {

// A row of logits takes a fraction of a millisecond: more threads would wake to find none left.
constexpr int32_t kMaxTeam = 32;

}  // namespace

Decoder::Decoder(SharedModel model, const DecoderOptions& options, JobMonitor* monitor)
    : model_(std::move(model)),
      vocab_(Engine().llama_model_get_vocab(model_.get())),
      vocab_size_(Engine().llama_vocab_n_tokens(vocab_)),
      max_outputs_(static_cast<int32_t>(options.max_outputs)),
      classes_(options.classes),
      threads_(options.threads),
      batch_threads_(options.batch_threads),
      batch_(static_cast<int32_t>(options.batch_size)),
      monitor_(monitor) {
  llama_context_params params = Engine().llama_context_default_params();
  params.n_ctx = options.cells;
  params.n_batch = options.batch_size;
  params.n_ubatch = options.batch_size;
  params.n_seq_max = options.max_sequences;
  params.n_outputs_max = options.max_outputs;
  params.n_threads = options.threads;
  params.n_threads_batch = options.batch_threads;
  params.flash_attn_type = static_cast<llama_flash_attn_type>(options.flash_attention);
  params.type_k = params.type_v = options.cache_type;
  params.kv_unified = true;  // a fork is metadata only
  params.swa_full = true;    // a sliding-window cache can't be forked or truncated
  params.no_perf = true;
  params.abort_callback = OnAbortCheck;
  params.abort_callback_data = this;
  if (options.bidirectional) params.attention_type = LLAMA_ATTENTION_TYPE_NON_CAUSAL;

  if (options.classes > 0) {
    params.embeddings = true;
    params.pooling_type = LLAMA_POOLING_TYPE_RANK;
    params.n_outputs_max = options.batch_size;  // every token is an output
  }

  LogCapture log;
  context_ = Engine().llama_init_from_model(model_.get(), params);
  if (context_ == nullptr) {
    throw EngineError("ERR_OUT_OF_MEMORY", "The engine could not make a context of " +
                                               std::to_string(options.cells) +
                                               " tokens: " + log.Reason("no reason given"));
  }
  memory_ = Engine().llama_get_memory(context_);
}

Decoder::~Decoder() {
  if (context_ != nullptr) Engine().llama_free(context_);
}

std::vector<double> Decoder::ClassesOf(llama_seq_id sequence) const {
  const float* numbers = Engine().llama_get_embeddings_seq(context_, sequence);
  if (numbers == nullptr) throw EngineError("ERR_ENGINE_FAILED", "The engine returned no classes");
  return std::vector<double>(numbers, numbers + classes_);
}

bool Decoder::OnAbortCheck(void* self) {
  return static_cast<Decoder*>(self)->monitor_->IsAborted();
}

void Decoder::ThrowIfAborted() const {
  if (monitor_->IsAborted()) throw EngineError("ERR_ABORTED", "The work was aborted");
}

void Decoder::Decode() {
  ThrowIfAborted();
  LogCapture log;
  int32_t status;
  {
    const Stopwatch stopwatch(&decode_counters.decode_ns);
    status = Engine().llama_decode(context_, batch_.View());
    Engine().llama_synchronize(context_);  // a GPU decodes in the background
  }
  decode_counters.decodes += 1;
  if (status == 0) return;
  if (status == 1) throw EngineError("ERR_CONTEXT_FULL", "No KV cells are left for the batch");
  if (status == 2) throw EngineError("ERR_ABORTED", "The work was aborted");
  throw EngineError("ERR_ENGINE_FAILED", "The engine's decode failed with status " +
                                             std::to_string(status) + ": " +
                                             log.Reason("no reason given"));
}

float* Decoder::RowOf(int32_t batch_index) const {
  float* row = Engine().llama_get_logits_ith(context_, batch_index);
  if (row == nullptr) throw EngineError("ERR_ENGINE_FAILED", "The engine returned no logits");
  return row;
}

int32_t Decoder::team_size() const {
  return std::min(threads_, kMaxTeam);
}

ThreadTeam& Decoder::team() {
  if (!team_) team_ = std::make_unique<ThreadTeam>(team_size());
  return *team_;
}

void Decoder::SetThreads(int32_t threads, int32_t batch_threads) {
  if (threads != threads_) team_.reset();
  threads_ = threads;
  batch_threads_ = batch_threads;
  Engine().llama_set_n_threads(context_, threads, batch_threads);
}

}  // namespace llama_ets
