#include "diffusion/diffusion_session.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

int32_t ViewsOf(const DiffusionSessionOptions& options) {
  return options.guidance ? 2 : 1;
}

DecoderOptions DecoderOptionsFor(const DiffusionSessionOptions& options) {
  const int32_t views = ViewsOf(options);
  const int32_t all = options.max_texts * views * options.length;
  const int32_t sequences = options.max_texts * views + 1;
  const int32_t batch =
      std::max({views * options.length, std::min(all, options.batch_tokens), sequences});
  const bool caches = options.cache != DiffusionCache::kNone;
  DecoderOptions decoder = {};
  decoder.cells = static_cast<uint32_t>(caches ? all + options.length : batch);
  decoder.max_sequences = static_cast<uint32_t>(sequences);
  decoder.batch_size = decoder.max_outputs = static_cast<uint32_t>(batch);
  decoder.threads = decoder.batch_threads = options.threads;
  decoder.flash_attention = 0;
  decoder.bidirectional = true;
  // Without a cache between passes the result is exact, so its keys and values must not be rounded
  // to half precision.
  const bool rounds = caches && !options.single_precision;
  decoder.cache_type = rounds ? GGML_TYPE_F16 : GGML_TYPE_F32;
  return decoder;
}

// Whether the logits at a token predict the next token. As in llama.cpp's own example, this holds
// unless the model's metadata says otherwise.
bool ShiftsLogits(const llama_model* model) {
  char value[8];
  const int32_t size =
      Engine().llama_model_meta_val_str(model, "diffusion.shift_logits", value, sizeof value);
  return size < 0 || std::strcmp(value, "true") == 0;
}

}  // namespace

DiffusionSession::DiffusionSession(SharedModel model, const DiffusionSessionOptions& options,
                                   JobMonitor* monitor)
    : DiffusionSession(std::move(model), options, DecoderOptionsFor(options), monitor) {}

DiffusionSession::DiffusionSession(SharedModel model, const DiffusionSessionOptions& options,
                                   const DecoderOptions& decoder, JobMonitor* monitor)
    : Decoder(std::move(model), decoder, monitor),
      options_(options),
      batch_size_(static_cast<int32_t>(decoder.batch_size)),
      mask_(Engine().llama_vocab_mask(vocab_)),
      shift_(ShiftsLogits(this->model()) ? 1 : 0),
      offset_(options.cache == DiffusionCache::kDual ? 1 : 0),
      spare_(static_cast<llama_seq_id>(decoder.max_sequences) - 1) {
  if (mask_ < 0 || mask_ >= vocab_size_) {
    throw EngineError("ERR_UNSUPPORTED_MODEL", "The model has no mask token");
  }
  if (memory_ == nullptr && options.cache != DiffusionCache::kNone) {
    throw EngineError("ERR_UNSUPPORTED_MODEL",
                      "The engine keeps no keys and values for this model's architecture");
  }
  if (options.cache == DiffusionCache::kDual && !(options.knows_state && CanParkSuffix())) {
    options_.cache = DiffusionCache::kPrefix;
    offset_ = 0;
  }
}

bool DiffusionSession::CanParkSuffix() {
  std::vector<int32_t> no_rows(2, -1);
  Add({mask_, mask_}, 0, 2, 0, &no_rows);
  Decode();
  const bool can = MoveSuffix(0, 0, 1);
  Reset();
  batch().Clear();
  counters = {};
  decode_counters = {};
  return can;
}

void DiffusionSession::Add(const std::vector<llama_token>& tokens, int32_t first, int32_t last,
                           llama_seq_id slot, std::vector<int32_t>* row_of) {
  for (int32_t i = first; i < last; ++i) {
    const auto predicted = static_cast<size_t>(i + shift_);
    const bool wanted = predicted < row_of->size() && (*row_of)[predicted] >= 0;
    const int32_t index = batch().Add(tokens[static_cast<size_t>(i)], i + offset_, slot, wanted);
    if (wanted) (*row_of)[predicted] = index;
  }
  counters.positions += last - first;
}

void DiffusionSession::Reset() {
  if (memory_ != nullptr) Engine().llama_memory_clear(memory_, false);
}

void DiffusionSession::Clear(llama_seq_id slot) {
  if (memory_ != nullptr) Engine().llama_memory_seq_rm(memory_, slot, -1, -1);
}

void DiffusionSession::Fork(llama_seq_id from, llama_seq_id to) {
  Engine().llama_memory_seq_cp(memory_, from, to, -1, -1);
}

void DiffusionSession::KeepBefore(llama_seq_id slot, int32_t first) {
  Engine().llama_memory_seq_rm(memory_, slot, first + offset_, -1);
}

void DiffusionSession::ParkSuffix(llama_seq_id slot, int32_t first, int32_t end) {
  if (MoveSuffix(slot, first, end)) return;
  throw EngineError("ERR_ENGINE_FAILED", "The engine's state has another layout than expected");
}

bool DiffusionSession::MoveSuffix(llama_seq_id slot, int32_t first, int32_t end) {
  const EngineApi& engine = Engine();
  engine.llama_memory_seq_cp(memory_, slot, spare_, end + offset_, -1);
  KeepBefore(slot, first);
  state_.resize(engine.llama_state_seq_get_size(context_, spare_));
  const size_t size =
      engine.llama_state_seq_get_data(context_, state_.data(), state_.size(), spare_);

  // The layout that llama_kv_cache::state_write writes: magic, sequence, number of streams, number
  // of cells; then for each cell its position, its number of sequences, and those sequences.
  struct Header {
    uint32_t magic;
    llama_seq_id sequence;
    uint32_t streams, cells;
  } header;
  struct Cell {
    llama_pos position;
    uint32_t sequences;
    llama_seq_id sequence;
  };
  bool is_known = size >= sizeof header;
  if (is_known) std::memcpy(&header, state_.data(), sizeof header);
  is_known = is_known && header.streams == 1 && size >= sizeof header + header.cells * sizeof(Cell);
  for (uint32_t i = 0; is_known && i < header.cells; ++i) {
    uint8_t* const at = state_.data() + sizeof header + i * sizeof(Cell);
    Cell cell;
    std::memcpy(&cell, at, sizeof cell);
    is_known = cell.sequences == 1 && cell.sequence == spare_ && cell.position >= end + offset_;
    cell.position = 0;
    std::memcpy(at, &cell, sizeof cell);
  }
  if (!is_known || engine.llama_state_seq_set_data(context_, state_.data(), size, spare_) == 0) {
    Clear(spare_);
    return false;
  }
  engine.llama_memory_seq_cp(memory_, spare_, slot, -1, -1);
  Clear(spare_);
  return true;
}

}  // namespace llama_ets
