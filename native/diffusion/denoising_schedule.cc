#include "diffusion/denoising_schedule.h"

#include <algorithm>
#include <string>

#include "files/engine.h"
#include "files/engine_error.h"

namespace llama_ets {

ScheduledText DenoisingSchedule::Begin(const std::vector<llama_token>& text, size_t index) const {
  ScheduledText begun = {options_->prompt, options_->from / options_->block_steps,
                         options_->from % options_->block_steps};
  begun.tokens.insert(begun.tokens.end(), text.begin(), text.end());
  if (!HasEnded(begun)) ThrowUnlessOnSchedule(begun, index);
  return begun;
}

void DenoisingSchedule::ThrowUnlessOnSchedule(const ScheduledText& text, size_t index) const {
  const auto length = static_cast<int32_t>(text.tokens.size());
  const auto count = [&](int32_t first, int32_t last) {
    return static_cast<int32_t>(MasksIn(text, first, last).size());
  };
  int32_t expected = 0;
  for (int32_t step = text.block_step; step < options_->block_steps; ++step) {
    expected += TransferCount(options_->block_length, options_->block_steps, step);
  }
  const int32_t start = std::min(BlockStart(text), length);
  const int32_t end = BlockEnd(text);
  const bool in_block =
      options_->parallel.is_on() || start == length || count(start, end) == expected;
  if (count(prompt_length_, start) == 0 && in_block && count(end, length) == length - end) return;
  throw EngineError("ERR_INVALID_ARGUMENT",
                    "Expected text " + std::to_string(index) + " to be masked as step " +
                        std::to_string(options_->from) + " finds it: " + std::to_string(expected) +
                        " masks in block " + std::to_string(text.block) +
                        ", none before and nothing else after it");
}

std::optional<DenoisingFinish> DenoisingSchedule::Advance(ScheduledText* text) const {
  if (options_->stop_at_end && HasEnded(*text)) return DenoisingFinish::kEnd;
  const bool is_parallel = options_->parallel.is_on();
  while (StepOf(*text) < options_->to) {
    const bool block_done =
        is_parallel ? OpenPositions(*text).empty() : text->block_step == options_->block_steps;
    if (block_done) {
      text->block += 1;
      text->block_step = 0;
    } else if (!is_parallel && CountOf(*text) == 0) {
      text->block_step += 1;
    } else {
      return std::nullopt;
    }
  }
  if (HasEnded(*text)) return DenoisingFinish::kEnd;
  const auto length = static_cast<int32_t>(text->tokens.size());
  return MasksIn(*text, prompt_length_, length).empty() ? DenoisingFinish::kLength
                                                        : DenoisingFinish::kSchedule;
}

int32_t DenoisingSchedule::BlockStart(const ScheduledText& text) const {
  return prompt_length_ + text.block * options_->block_length;
}

int32_t DenoisingSchedule::BlockEnd(const ScheduledText& text) const {
  return std::min(BlockStart(text) + options_->block_length,
                  static_cast<int32_t>(text.tokens.size()));
}

std::vector<int32_t> DenoisingSchedule::OpenPositions(const ScheduledText& text) const {
  return MasksIn(text, BlockStart(text), BlockEnd(text));
}

size_t DenoisingSchedule::CountOf(const ScheduledText& text) const {
  return static_cast<size_t>(
      TransferCount(options_->block_length, options_->block_steps, text.block_step));
}

int32_t DenoisingSchedule::StepOf(const ScheduledText& text) const {
  return text.block * options_->block_steps + text.block_step;
}

PhiloxCounter DenoisingSchedule::CounterOf(const RandomStream& stream, int32_t step,
                                           int32_t position) const {
  const auto place = static_cast<uint32_t>(position - prompt_length_);
  return {stream[0], stream[1], stream[2], static_cast<uint32_t>(step) << 16 | place};
}

std::vector<int32_t> DenoisingSchedule::PositionsToRead(const ScheduledText& text,
                                                        const RandomStream& stream) const {
  if (options_->remasking == Remasking::kRandom) return RandomPositions(text, stream);
  return OpenPositions(text);
}

std::vector<int32_t> DenoisingSchedule::RandomPositions(const ScheduledText& text,
                                                        const RandomStream& stream) const {
  const std::vector<int32_t> open = OpenPositions(text);
  std::vector<double> priorities;
  for (const int32_t position : open) {
    const PhiloxCounter counter = CounterOf(stream, StepOf(text), position);
    priorities.push_back(PhiloxUniforms(counter, options_->key)[1]);
  }
  std::vector<int32_t> chosen;
  for (const size_t i : Highest(priorities, CountOf(text))) chosen.push_back(open[i]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<int32_t> DenoisingSchedule::MasksIn(const ScheduledText& text, int32_t first,
                                                int32_t last) const {
  std::vector<int32_t> masks;
  for (int32_t i = first; i < last; ++i) {
    if (text.tokens[static_cast<size_t>(i)] == session_->mask()) masks.push_back(i);
  }
  return masks;
}

// Whether the text is complete: it has an end token and no mask before it.
bool DenoisingSchedule::HasEnded(const ScheduledText& text) const {
  for (size_t i = options_->prompt.size(); i < text.tokens.size(); ++i) {
    if (text.tokens[i] == session_->mask()) return false;
    if (Engine().llama_vocab_is_eog(session_->vocab(), text.tokens[i])) return true;
  }
  return false;
}

}  // namespace llama_ets
