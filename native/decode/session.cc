#include "decode/session.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {

Session::Session(SharedModel model, const DecoderOptions& options, JobMonitor* monitor)
    : Decoder(std::move(model), options, monitor) {
  if (memory_ == nullptr) {
    throw EngineError("ERR_UNSUPPORTED_MODEL", "The model keeps no KV cache to fork");
  }
  cells_ = Engine().llama_n_ctx(context_);
  for (uint32_t slot = options.max_sequences; slot > 0; --slot) {
    free_slots_.push_back(static_cast<llama_seq_id>(slot - 1));
  }
}

Session::Session(std::shared_ptr<Session> lender, const PartitionOptions& options,
                 JobMonitor* monitor)
    : Decoder(*lender, std::min(options.max_outputs, lender->max_outputs()), monitor),
      lender_(std::move(lender)) {
  if (options.cells > lender_->free_cells() || options.max_sequences > lender_->free_slots()) {
    lender_->ThrowFull("A partition", options.max_sequences, options.cells);
  }
  cells_ = options.cells;
  lender_->cells_ -= cells_;
  const auto first = lender_->free_slots_.end() - options.max_sequences;
  free_slots_.assign(first, lender_->free_slots_.end());
  lender_->free_slots_.erase(first, lender_->free_slots_.end());
}

Session::~Session() {
  if (lender_) {
    for (auto& [handle, sequence] : sequences_) FreeSlot(&sequence);
    lender_->cells_ += cells_;
    lender_->free_slots_.insert(lender_->free_slots_.end(), free_slots_.begin(), free_slots_.end());
  }
  sequences_.clear();  // while used_cells_ still exists, which their cells count down
}

Sequence Session::TakeSlot() {
  if (free_slots_.empty()) {
    throw EngineError("ERR_CONTEXT_FULL", "All of the context's sequences are in use");
  }
  const llama_seq_id slot = free_slots_.back();
  free_slots_.pop_back();
  return {slot, 0, CellPath(&used_cells_), nullptr};
}

SequenceHandle Session::Adopt(Sequence sequence) {
  static std::atomic<SequenceHandle> next_handle{1};
  const SequenceHandle handle = next_handle++;
  sequences_.emplace(handle, std::move(sequence));
  return handle;
}

SequenceHandle Session::Create() {
  return Adopt(TakeSlot());
}

Sequence Session::ForkSlot(const Sequence& parent) {
  Sequence child = TakeSlot();
  // The range from -1 to -1 covers the whole sequence. The child's slot is empty: FreeSlot cleared
  // it.
  if (parent.length > 0) Engine().llama_memory_seq_cp(memory_, parent.slot, child.slot, -1, -1);
  child.length = parent.length;
  child.cells = parent.cells;
  child.next = parent.next;
  counters.forks += 1;
  return child;
}

void Session::FreeSlot(Sequence* sequence) {
  Engine().llama_memory_seq_rm(memory_, sequence->slot, -1, -1);
  free_slots_.push_back(sequence->slot);
  sequence->cells = CellPath(&used_cells_);
  sequence->next = nullptr;
}

SequenceHandle Session::Fork(SequenceHandle parent) {
  return Adopt(ForkSlot(Get(parent)));
}

Sequence& Session::Find(SequenceHandle handle) {
  const auto found = sequences_.find(handle);
  if (found == sequences_.end()) {
    throw EngineError("ERR_DISPOSED", "The sequence was freed, or is of another context");
  }
  return found->second;
}

Sequence& Session::Get(SequenceHandle handle) {
  Sequence& sequence = Find(handle);
  if (sequence.is_lost) {
    throw EngineError("ERR_INVALID_STATE",
                      "The sequence was lost when a prefill of it failed: the model's texts "
                      "can't be cut back. Fork a sequence before such a prefill");
  }
  return sequence;
}

const Sequence& Session::Get(SequenceHandle handle) const {
  return const_cast<Session*>(this)->Get(handle);
}

std::shared_ptr<const SavedText> Session::Save(SequenceHandle handle) const {
  const Sequence& sequence = Get(handle);
  auto text = std::make_shared<SavedText>();
  text->model = engine_->model();
  text->state.resize(Engine().llama_state_seq_get_size(context_, sequence.slot));
  const size_t written = Engine().llama_state_seq_get_data(context_, text->state.data(),
                                                           text->state.size(), sequence.slot);
  if (written == 0 || written != text->state.size()) {
    throw EngineError("ERR_ENGINE_FAILED", "The engine could not save a sequence");
  }
  text->length = sequence.length;
  text->next = sequence.next;
  return text;
}

SequenceHandle Session::Restore(const SavedText& text, llama_pos length) {
  if (text.model.lock() != engine_->model()) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected a text that was saved from this model");
  }
  if (text.length > free_cells() || free_slots_.empty()) ThrowFull("A saved text", 1, text.length);
  if (!is_shared() && used_cells_ == 0) engine_->HoldsOnlyRestored();
  Sequence sequence = TakeSlot();
  const size_t size = text.state.size();
  LogCapture log;
  if (Engine().llama_state_seq_set_data(context_, text.state.data(), size, sequence.slot) != size) {
    FreeSlot(&sequence);
    throw EngineError("ERR_ENGINE_FAILED", "The engine could not take over a saved sequence: " +
                                               log.Reason("no reason given"));
  }
  sequence.length = text.length;
  sequence.cells.Append(text.length);
  sequence.next = text.next;
  const SequenceHandle handle = Adopt(std::move(sequence));
  try {
    Truncate(handle, length);
  } catch (...) {
    Free(handle);
    throw;
  }
  counters.restored += length;
  return handle;
}

void Session::ThrowFull(const std::string& what, int64_t sequences, int64_t cells) const {
  throw EngineError("ERR_CONTEXT_FULL", what + " needs " + std::to_string(sequences) +
                                            " sequences and " + std::to_string(cells) +
                                            " KV cells; " + std::to_string(free_slots()) + " and " +
                                            std::to_string(free_cells()) + " are free");
}

void Session::Truncate(SequenceHandle handle, llama_pos length) {
  Sequence& sequence = Get(handle);
  if (length > sequence.length) {
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected `length` to be at most " + std::to_string(sequence.length) +
                          ", the sequence's length, got " + std::to_string(length));
  }
  if (length == sequence.length) return;
  const bool keeps_all = length == 0 || !slides_window();
  if (!keeps_all || !Engine().llama_memory_seq_rm(memory_, sequence.slot, length, -1)) {
    throw EngineError("ERR_UNSUPPORTED_MODEL", "The model's memory can't be truncated");
  }
  sequence.cells.RemoveLast(sequence.length - length);
  sequence.length = length;
  sequence.next = nullptr;
}

bool Session::slides_window() const {
  return Engine().llama_model_n_swa(model()) > 0;
}

void Session::Undo(Sequence* sequence) {
  const bool keeps_all = sequence->length == 0 || !slides_window();
  if (keeps_all && Engine().llama_memory_seq_rm(memory_, sequence->slot, sequence->length, -1)) {
    return;
  }
  Engine().llama_memory_seq_rm(memory_, sequence->slot, -1, -1);
  sequence->cells = CellPath(&used_cells_);
  sequence->next = nullptr;
  sequence->is_lost = true;
}

void Session::Free(SequenceHandle handle) {
  FreeSlot(&Find(handle));
  sequences_.erase(handle);
}

void Session::Clear() {
  for (auto& [handle, sequence] : sequences_) FreeSlot(&sequence);
  sequences_.clear();
  if (!is_shared()) Engine().llama_memory_clear(memory_, false);
}

LogitsRow Session::CopyRow(int32_t batch_index) const {
  const float* row = RowOf(batch_index);
  return std::make_shared<const std::vector<float>>(row, row + vocab_size_);
}

LogitsRow Session::Logits(SequenceHandle handle) const {
  const LogitsRow& row = Get(handle).next;
  if (row) return row;
  throw EngineError("ERR_INVALID_STATE",
                    "The sequence is empty or was truncated: prefill at least one token first");
}

std::vector<double> Session::TimeDecodes(int32_t threads, int32_t count, double limit_ms) {
  const DecodeCounters counters_before = decode_counters;
  const int64_t context_decodes_before = engine_->decodes;
  const int32_t threads_before = engine_->threads();
  const int32_t batch_threads_before = engine_->batch_threads();
  Sequence scratch = TakeSlot();
  const auto restore = [&] {
    FreeSlot(&scratch);
    Engine().llama_set_n_threads(context_, threads_before, batch_threads_before);
  };
  Engine().llama_set_n_threads(context_, threads, threads);
  std::vector<double> milliseconds;
  double total = 0;
  try {
    while (static_cast<int32_t>(milliseconds.size()) < count && total < limit_ms) {
      if (free_cells() == 0) ThrowFull("A decode", 0, 1);
      batch().Clear();
      batch().Add(0, scratch.length++, scratch.slot, true);
      const auto start = std::chrono::steady_clock::now();
      Decode();
      const auto end = std::chrono::steady_clock::now();
      scratch.cells.Append(1);
      milliseconds.push_back(std::chrono::duration<double, std::milli>(end - start).count());
      total += milliseconds.back();
    }
  } catch (...) {
    restore();
    throw;
  }
  restore();
  decode_counters = counters_before;
  engine_->decodes = context_decodes_before;
  return milliseconds;
}

}  // namespace llama_ets
