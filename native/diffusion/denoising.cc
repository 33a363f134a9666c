#include "diffusion/denoising.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "decode/stopwatch.h"
#include "diffusion/denoising_passes.h"
#include "sampling/row_sampler.h"

namespace llama_ets {
namespace {

// A token drawn at a masked position. Positions with a higher priority are unmasked first.
struct Draw {
  int32_t position;
  TokenProbability token;
  double priority;
};

class Denoising {
 public:
  Denoising(DiffusionSession* session, const std::vector<NoisyText>& texts,
            const DenoisingOptions& options)
      : session_(session),
        texts_(texts),
        options_(options),
        schedule_(session, &options),
        passes_(session, &schedule_, &options),
        sampler_(session, options.sampling) {}

  std::vector<DenoisedText> Run() {
    const Stopwatch stopwatch(&session_->decode_counters.call_ns);
    for (const NoisyText& text : texts_) results_.emplace_back(text.tokens);
    for (Admit(); !active_.empty() && !passes_.OutOfBudget(); Admit()) Step();
    return std::move(results_);
  }

 private:
  void Admit() {
    while (next_text_ < texts_.size() && passes_.HasFreeSlot()) {
      ReadText text = {schedule_.Begin(texts_[next_text_].tokens, next_text_), next_text_};
      ++next_text_;
      if (!Prepare(&text)) continue;
      text.slot = passes_.TakeSlot();
      active_.push_back(std::move(text));
    }
  }

  // Finds the text's next step and the positions that its pass predicts. Returns false if the text
  // is finished.
  bool Prepare(ReadText* text) {
    if (const auto finish = passes_.Advance(text)) {
      results_[text->index].finish = *finish;
      return false;
    }
    text->positions = schedule_.PositionsToRead(*text, texts_[text->index].stream);
    return true;
  }

  // Runs one pass over every active text, or over as many as the budget allows.
  void Step() {
    std::vector<ReadText*> texts;
    for (ReadText& text : active_) texts.push_back(&text);
    passes_.Run(texts, [this](const auto& group, const auto& positions, const auto& rows) {
      const std::vector<std::vector<Draw>> draws = DrawFrom(group, positions, rows);
      for (size_t i = 0; i < group.size(); ++i) Unmask(group[i], draws[i]);
    });
    Retire();
  }

  // The step that is recorded for unmasked positions. With parallel decoding the number of steps in
  // a block varies, so we count the steps of the text.
  int32_t StepOf(const ReadText& text) const {
    if (options_.parallel.is_on()) return options_.from + results_[text.index].steps;
    return schedule_.StepOf(text);
  }

  // Draws a token for each text of a group at each of its positions, from the rows of their common
  // state.
  std::vector<std::vector<Draw>> DrawFrom(const std::vector<ReadText*>& group,
                                          const std::vector<int32_t>& positions,
                                          const std::vector<const float*>& rows) {
    std::vector<std::vector<Draw>> draws;
    for (const ReadText* text : group) draws.emplace_back(text->positions.size());
    sampler_.ForEach(rows.size(), [&](size_t row, Sampler* sampler) {
      std::vector<Draw*> places;
      std::vector<double> uniforms;
      for (size_t i = 0; i < group.size(); ++i) {
        const auto& own = group[i]->positions;
        const auto found = std::lower_bound(own.begin(), own.end(), positions[row]);
        if (found == own.end() || *found != positions[row]) continue;
        places.push_back(&draws[i][static_cast<size_t>(found - own.begin())]);
        const RandomStream& stream = texts_[group[i]->index].stream;
        const PhiloxCounter counter =
            schedule_.CounterOf(stream, StepOf(*group[i]), positions[row]);
        uniforms.push_back(PhiloxUniform(counter, options_.key));
      }
      std::vector<TokenProbability> drawn(uniforms.size());
      sampler->Draw(rows[row], uniforms.data(), uniforms.size(), drawn.data());
      const double of_row = RowPriority(options_.remasking, rows[row], session_->vocab_size());
      for (size_t i = 0; i < places.size(); ++i) {
        const bool by_token = options_.remasking == Remasking::kLowConfidence;
        const double priority = by_token ? std::exp(drawn[i].raw_log_prob) : of_row;
        *places[i] = {positions[row], drawn[i], priority};
      }
    });
    return draws;
  }

  void Unmask(ReadText* text, const std::vector<Draw>& draws) {
    std::vector<double> priorities;
    for (const Draw& draw : draws) priorities.push_back(draw.priority);
    const std::vector<size_t> chosen = options_.parallel.is_on()
                                           ? Confident(priorities, options_.parallel)
                                           : Highest(priorities, schedule_.CountOf(*text));
    DenoisedText& result = results_[text->index];
    for (const size_t i : chosen) {
      result.Unmask(text, draws[i].position, draws[i].token, StepOf(*text));
    }
    result.steps += 1;
    text->block_step += options_.parallel.is_on() ? 0 : 1;
    const auto count = static_cast<int64_t>(chosen.size());
    session_->counters.unmasked += count;
    session_->monitor()->generated += count;
    if (text->index == 0) session_->monitor()->Show(result.tokens);
  }

  // Removes the finished texts and frees their slots.
  void Retire() {
    const auto finished = [this](ReadText& text) {
      if (Prepare(&text)) return false;
      passes_.FreeSlot(text.slot);
      return true;
    };
    active_.erase(std::remove_if(active_.begin(), active_.end(), finished), active_.end());
  }

  DiffusionSession* session_;
  const std::vector<NoisyText>& texts_;
  const DenoisingOptions& options_;
  DenoisingSchedule schedule_;
  DenoisingPasses passes_;
  RowSampler sampler_;
  std::vector<DenoisedText> results_;
  size_t next_text_ = 0;
  std::vector<ReadText> active_;
};

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace

DenoisedText::DenoisedText(const std::vector<llama_token>& noisy)
    : tokens(noisy),
      order(noisy.size(), -1),
      log_probs(noisy.size(), kNone),
      raw_log_probs(noisy.size(), kNone) {}

void DenoisedText::Unmask(ScheduledText* text, int32_t position, const TokenProbability& drawn,
                          int32_t step) {
  text->tokens[static_cast<size_t>(position)] = drawn.token;
  const size_t prompt_length = text->tokens.size() - tokens.size();
  const size_t at = static_cast<size_t>(position) - prompt_length;
  tokens[at] = drawn.token;
  order[at] = step;
  log_probs[at] = drawn.log_prob;
  raw_log_probs[at] = drawn.raw_log_prob;
}

std::vector<DenoisedText> Denoise(DiffusionSession* session, const std::vector<NoisyText>& texts,
                                  const DenoisingOptions& options) {
  return Denoising(session, texts, options).Run();
}

}  // namespace llama_ets
