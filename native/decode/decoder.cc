#include "decode/decoder.h"

#include "decode/stopwatch.h"
#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {

Decoder::Decoder(SharedModel model, const DecoderOptions& options, JobMonitor* monitor)
    : Decoder(std::make_shared<EngineContext>(std::move(model), options),
              static_cast<int32_t>(options.max_outputs), monitor) {}

Decoder::Decoder(const Decoder& other, int32_t max_outputs, JobMonitor* monitor)
    : Decoder(other.engine_, max_outputs, monitor) {}

Decoder::Decoder(std::shared_ptr<EngineContext> engine, int32_t max_outputs, JobMonitor* monitor)
    : engine_(std::move(engine)),
      vocab_(Engine().llama_model_get_vocab(engine_->model().get())),
      context_(engine_->context()),
      memory_(Engine().llama_get_memory(context_)),
      vocab_size_(Engine().llama_vocab_n_tokens(vocab_)),
      max_outputs_(max_outputs),
      monitor_(monitor) {}

std::vector<double> Decoder::ClassesOf(llama_seq_id sequence) const {
  const float* numbers = Engine().llama_get_embeddings_seq(context_, sequence);
  if (numbers == nullptr) throw EngineError("ERR_ENGINE_FAILED", "The engine returned no classes");
  return std::vector<double>(numbers, numbers + classes());
}

void Decoder::ThrowIfAborted() const {
  if (monitor_->IsAborted()) throw EngineError("ERR_ABORTED", "The work was aborted");
}

bool Decoder::OutOfBudget(
    int64_t max_tokens,
    const std::optional<std::chrono::steady_clock::time_point>& deadline) const {
  ThrowIfAborted();
  if (monitor_->generated >= max_tokens) return true;
  return deadline && std::chrono::steady_clock::now() >= *deadline;
}

void Decoder::DecodeTogether(const std::vector<Decoder*>& decoders) {
  std::vector<const JobMonitor*> callers;
  for (const Decoder* decoder : decoders) callers.push_back(decoder->monitor_);
  int64_t elapsed = 0;
  int64_t attention = 0;
  {
    const Stopwatch stopwatch(&elapsed);
    attention = decoders.front()->engine_->Decode(callers);
  }
  for (Decoder* decoder : decoders) {
    decoder->decode_counters.decodes += 1;
    decoder->decode_counters.decode_ns += elapsed;
    decoder->decode_counters.attention_ns += attention;
  }
}

float* Decoder::RowOf(int32_t batch_index) const {
  if (device_logits() != nullptr) return device_logits()->Row(DeviceRowOf(batch_index));
  float* row = Engine().llama_get_logits_ith(context_, batch_index);
  if (row == nullptr) throw EngineError("ERR_ENGINE_FAILED", "The engine returned no logits");
  return row;
}

}  // namespace llama_ets
