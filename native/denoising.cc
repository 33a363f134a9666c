#include "denoising.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "engine.h"
#include "engine_error.h"
#include "row_sampler.h"
#include "state_reader.h"
#include "stopwatch.h"

namespace llama_ets {
namespace {

// A text being denoised.
struct Active {
  size_t text;
  llama_seq_id slot;
  std::vector<llama_token> tokens;  // prompt and text
  int32_t block, block_step;
  bool cached = false;             // the slot holds what the block's passes need
  std::vector<int32_t> positions;  // to draw at in the coming pass; in `tokens`
  std::vector<TokenProbability> drawn;
  std::vector<double> priorities;
};

class Denoising {
 public:
  Denoising(DiffusionSession* session, const std::vector<NoisyText>& texts,
            const DenoisingOptions& options)
      : session_(session),
        texts_(texts),
        options_(options),
        prompt_length_(static_cast<int32_t>(options.prompt.size())),
        sampler_(session, options.sampling),
        reader_(session, prompt_length_, options.guidance) {}

  std::vector<DenoisedText> Run() {
    const Stopwatch stopwatch(&session_->decode_counters.call_ns);
    session_->monitor()->generated = 0;
    for (const NoisyText& text : texts_) results_.push_back(Unchanged(text));
    for (llama_seq_id i = session_->max_texts(); i > 0; --i) {
      free_slots_.push_back((i - 1) * reader_.views());
    }
    session_->Reset();
    for (Admit(); !active_.empty() && !OutOfBudget(); Admit()) Step();
    for (const Active& text : active_) Finish(text, DenoisingFinish::kBudget);
    return std::move(results_);
  }

 private:
  static DenoisedText Unchanged(const NoisyText& text) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    const size_t length = text.tokens.size();
    return {text.tokens, std::vector<int32_t>(length, -1), std::vector<double>(length, kNone),
            std::vector<double>(length, kNone)};
  }

  // Checked between decodes, so a budget holds within one.
  bool OutOfBudget() const {
    session_->ThrowIfAborted();
    if (session_->monitor()->generated >= options_.max_total_tokens) return true;
    return options_.deadline && std::chrono::steady_clock::now() >= *options_.deadline;
  }

  void Admit() {
    while (next_text_ < texts_.size() && !free_slots_.empty()) {
      const NoisyText& noisy = texts_[next_text_];
      Active text = {next_text_++, free_slots_.back(), options_.prompt};
      text.tokens.insert(text.tokens.end(), noisy.tokens.begin(), noisy.tokens.end());
      text.block = options_.from / options_.block_steps;
      text.block_step = options_.from % options_.block_steps;
      if (!HasEnded(text)) ThrowUnlessOnSchedule(text);
      if (!Prepare(&text)) continue;
      free_slots_.pop_back();
      active_.push_back(std::move(text));
    }
  }

  int32_t BlockStart(const Active& text) const {
    return prompt_length_ + text.block * options_.block_length;
  }
  int32_t BlockEnd(const Active& text) const {
    return std::min(BlockStart(text) + options_.block_length,
                    static_cast<int32_t>(text.tokens.size()));
  }

  std::vector<int32_t> MasksIn(const Active& text, int32_t first, int32_t last) const {
    std::vector<int32_t> masks;
    for (int32_t i = first; i < last; ++i) {
      if (text.tokens[static_cast<size_t>(i)] == session_->mask()) masks.push_back(i);
    }
    return masks;
  }

  void ThrowUnlessOnSchedule(const Active& text) const {
    const auto length = static_cast<int32_t>(text.tokens.size());
    const auto count = [&](int32_t first, int32_t last) {
      return static_cast<int32_t>(MasksIn(text, first, last).size());
    };
    int32_t expected = 0;
    for (int32_t step = text.block_step; step < options_.block_steps; ++step) {
      expected += TransferCount(options_.block_length, options_.block_steps, step);
    }
    const int32_t start = std::min(BlockStart(text), length);
    const int32_t end = BlockEnd(text);
    const bool in_block =
        options_.parallel.is_on() || start == length || count(start, end) == expected;
    if (count(prompt_length_, start) == 0 && in_block && count(end, length) == length - end) return;
    throw EngineError("ERR_INVALID_ARGUMENT",
                      "Expected text " + std::to_string(text.text) + " to be masked as step " +
                          std::to_string(options_.from) + " finds it: " + std::to_string(expected) +
                          " masks in block " + std::to_string(text.block) +
                          ", none before and nothing else after it");
  }

  // Whether the text is decided: it has an end token, and no mask before it.
  bool HasEnded(const Active& text) const {
    for (size_t i = options_.prompt.size(); i < text.tokens.size(); ++i) {
      if (text.tokens[i] == session_->mask()) return false;
      if (Engine().llama_vocab_is_eog(session_->vocab(), text.tokens[i])) return true;
    }
    return false;
  }

  int32_t StepOf(const Active& text) const {
    if (options_.parallel.is_on()) return options_.from + results_[text.text].steps;
    return text.block * options_.block_steps + text.block_step;
  }

  int32_t CountOf(const Active& text) const {
    return TransferCount(options_.block_length, options_.block_steps, text.block_step);
  }

  // Finds the text's next step and the positions that its pass predicts; false: it is finished.
  bool Prepare(Active* text) {
    if (options_.stop_at_end && HasEnded(*text)) {
      Finish(*text, DenoisingFinish::kEnd);
      return false;
    }
    while (text->block * options_.block_steps + text->block_step < options_.to) {
      text->positions = MasksIn(*text, BlockStart(*text), BlockEnd(*text));
      const bool block_done = options_.parallel.is_on() ? text->positions.empty()
                                                        : text->block_step == options_.block_steps;
      if (block_done) {
        text->block += 1;
        text->block_step = 0;
        text->cached = false;
      } else if (!options_.parallel.is_on() && CountOf(*text) == 0) {
        text->block_step += 1;
      } else {
        if (options_.remasking == Remasking::kRandom) KeepRandom(text);
        return true;
      }
    }
    const bool has_masks =
        !MasksIn(*text, prompt_length_, static_cast<int32_t>(text->tokens.size())).empty();
    Finish(*text, HasEnded(*text) ? DenoisingFinish::kEnd
                  : has_masks     ? DenoisingFinish::kSchedule
                                  : DenoisingFinish::kLength);
    return false;
  }

  PhiloxCounter CounterOf(const Active& text, int32_t position) const {
    const auto& stream = texts_[text.text].stream;
    const auto step = static_cast<uint32_t>(StepOf(text));
    const auto place = static_cast<uint32_t>(position - prompt_length_);
    return {stream[0], stream[1], stream[2], step << 16 | place};
  }

  // The positions of the step, which don't depend on the tokens, so that no other need be
  // predicted.
  void KeepRandom(Active* text) {
    std::vector<double> priorities;
    for (const int32_t position : text->positions) {
      priorities.push_back(PhiloxUniforms(CounterOf(*text, position), options_.key)[1]);
    }
    std::vector<int32_t> kept;
    for (const size_t i : Highest(priorities, static_cast<size_t>(CountOf(*text)))) {
      kept.push_back(text->positions[i]);
    }
    std::sort(kept.begin(), kept.end());
    text->positions = std::move(kept);
  }

  // One pass of every active text, or of as many as the budget allows.
  void Step() {
    // Texts that need a full pass, by state, and the others one by one.
    std::map<std::vector<llama_token>, std::vector<Active*>> states;
    std::vector<std::vector<Active*>> groups;
    for (Active& text : active_) {
      if (!text.cached) states[text.tokens].push_back(&text);
    }
    for (auto& [tokens, group] : states) groups.push_back(std::move(group));
    const size_t full = groups.size();
    for (Active& text : active_) {
      if (text.cached) groups.push_back({&text});
    }
    std::vector<StateRead> reads;
    for (size_t i = 0; i < groups.size(); ++i) reads.push_back(ReadFor(groups[i], i < full));
    reader_.Read(reads, [&](size_t begin, size_t end, const auto& rows) {
      for (size_t i = begin; i < end; ++i) Draw(groups[i], reads[i].positions, rows[i - begin]);
      for (size_t i = begin; i < end; ++i) {
        for (Active* text : groups[i]) Unmask(text);
        if (session_->cache() != DiffusionCache::kNone && i < full) Cache(groups[i]);
      }
      return !OutOfBudget();
    });
    Retire();
  }

  StateRead ReadFor(const std::vector<Active*>& group, bool full) {
    const Active& text = *group.front();
    const auto length = static_cast<int32_t>(text.tokens.size());
    StateRead read = {&text.tokens, text.positions, 0, length};
    for (const Active* other : group) {  // random positions differ
      read.positions.insert(read.positions.end(), other->positions.begin(), other->positions.end());
    }
    std::sort(read.positions.begin(), read.positions.end());
    read.positions.erase(std::unique(read.positions.begin(), read.positions.end()),
                         read.positions.end());
    auto& counters = session_->counters;
    (full ? counters.full_passes : counters.block_passes) += reader_.views();
    counters.shared += static_cast<int64_t>(group.size()) - 1;
    if (session_->cache() == DiffusionCache::kNone) return read;
    read.slot = text.slot;
    const int32_t first = session_->FirstReadFor(BlockStart(text));
    if (!full) {
      read.first = first;
      if (session_->cache() == DiffusionCache::kDual) read.last = BlockEnd(text);
    }
    for (int32_t view = 0; view < reader_.views(); ++view) {
      if (full) {
        session_->Clear(read.slot + view);
      } else {
        session_->KeepBefore(read.slot + view, first);
      }
    }
    return read;
  }

  // Draws each text's tokens at its positions from the rows of their common state.
  void Draw(const std::vector<Active*>& group, const std::vector<int32_t>& positions,
            const std::vector<const float*>& rows) {
    for (Active* text : group) {
      text->drawn.resize(text->positions.size());
      text->priorities.resize(text->positions.size());
    }
    sampler_.ForEach(rows.size(), [&](size_t row, Sampler* sampler) {
      std::vector<std::pair<Active*, size_t>> places;
      std::vector<double> uniforms;
      for (Active* text : group) {
        const auto& own = text->positions;
        const auto found = std::lower_bound(own.begin(), own.end(), positions[row]);
        if (found == own.end() || *found != positions[row]) continue;
        places.push_back({text, static_cast<size_t>(found - own.begin())});
        uniforms.push_back(PhiloxUniform(CounterOf(*text, positions[row]), options_.key));
      }
      std::vector<TokenProbability> drawn(uniforms.size());
      sampler->Draw(rows[row], uniforms, drawn.data());
      const double priority = PriorityOf(rows[row]);
      for (size_t i = 0; i < places.size(); ++i) {
        const auto& [text, at] = places[i];
        text->drawn[at] = drawn[i];
        const bool by_token = options_.remasking == Remasking::kLowConfidence;
        text->priorities[at] = by_token ? std::exp(drawn[i].raw_log_prob) : priority;
      }
    });
  }

  // What a row says of its position, whatever is drawn from it.
  double PriorityOf(const float* row) const {
    if (options_.remasking == Remasking::kEntropy)
      return NegativeEntropy(row, session_->vocab_size());
    if (options_.remasking == Remasking::kMargin) return Margin(row, session_->vocab_size());
    return 0;
  }

  void Unmask(Active* text) {
    const std::vector<size_t> chosen =
        options_.parallel.is_on() ? Confident(text->priorities, options_.parallel)
                                  : Highest(text->priorities, static_cast<size_t>(CountOf(*text)));
    DenoisedText& result = results_[text->text];
    for (const size_t i : chosen) {
      const TokenProbability& drawn = text->drawn[i];
      const auto at = static_cast<size_t>(text->positions[i] - prompt_length_);
      text->tokens[static_cast<size_t>(text->positions[i])] = drawn.token;
      result.tokens[at] = drawn.token;
      result.order[at] = StepOf(*text);
      result.log_probs[at] = drawn.log_prob;
      result.raw_log_probs[at] = drawn.raw_log_prob;
    }
    result.steps += 1;
    text->block_step += options_.parallel.is_on() ? 0 : 1;
    const auto count = static_cast<int64_t>(chosen.size());
    session_->counters.unmasked += count;
    session_->monitor()->generated += count;
    if (text->text == 0) session_->monitor()->Show(result.tokens);
  }

  // Leaves to a group's texts what its full pass computed, where they go on in the block.
  void Cache(const std::vector<Active*>& group) {
    const Active& owner = *group.front();
    const int32_t start = BlockStart(owner);
    const int32_t end = BlockEnd(owner);
    const auto goes_on = [&](const Active* text) { return !MasksIn(*text, start, end).empty(); };
    if (std::none_of(group.begin(), group.end(), goes_on)) return;
    const int32_t first = session_->FirstReadFor(start);
    const bool parks = session_->cache() == DiffusionCache::kDual &&
                       end < static_cast<int32_t>(owner.tokens.size());
    for (int32_t view = 0; view < reader_.views(); ++view) {
      if (parks) {
        session_->ParkSuffix(owner.slot + view, first, end);
      } else {
        session_->KeepBefore(owner.slot + view, first);
      }
      for (const Active* text : group) {
        if (text == &owner || !goes_on(text)) continue;
        session_->Clear(text->slot + view);
        session_->Fork(owner.slot + view, text->slot + view);
      }
    }
    for (Active* text : group) text->cached = goes_on(text);
  }

  // Lets go of the texts that are finished.
  void Retire() {
    const auto finished = [this](Active& text) {
      if (Prepare(&text)) return false;
      for (int32_t view = 0; view < reader_.views(); ++view) session_->Clear(text.slot + view);
      free_slots_.push_back(text.slot);
      return true;
    };
    active_.erase(std::remove_if(active_.begin(), active_.end(), finished), active_.end());
  }

  void Finish(const Active& text, DenoisingFinish finish) { results_[text.text].finish = finish; }

  DiffusionSession* session_;
  const std::vector<NoisyText>& texts_;
  const DenoisingOptions& options_;
  const int32_t prompt_length_;
  RowSampler sampler_;
  StateReader reader_;
  std::vector<DenoisedText> results_;
  size_t next_text_ = 0;
  std::vector<Active> active_;
  std::vector<llama_seq_id> free_slots_;  // each the first of a text's views; lowest on top
};

}  // namespace

std::vector<DenoisedText> Denoise(DiffusionSession* session, const std::vector<NoisyText>& texts,
                                  const DenoisingOptions& options) {
  return Denoising(session, texts, options).Run();
}

}  // namespace llama_ets
