#include "diffusion/denoising_passes.h"

#include <algorithm>
#include <map>

namespace llama_ets {

DenoisingPasses::DenoisingPasses(DiffusionSession* session, const DenoisingSchedule* schedule,
                                 const DenoisingOptions* options)
    : session_(session),
      schedule_(schedule),
      options_(options),
      reader_(session, schedule->prompt_length(), options->guidance) {
  for (llama_seq_id i = session_->max_texts(); i > 0; --i) {
    free_slots_.push_back((i - 1) * reader_.views());
  }
  session_->monitor()->generated = 0;
  session_->Reset();
}

std::optional<DenoisingFinish> DenoisingPasses::Advance(ReadText* text) const {
  const int32_t block = text->block;
  const auto finish = schedule_->Advance(text);
  if (text->block != block) text->cached = false;
  return finish;
}

llama_seq_id DenoisingPasses::TakeSlot() {
  const llama_seq_id slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void DenoisingPasses::FreeSlot(llama_seq_id slot) {
  for (int32_t view = 0; view < reader_.views(); ++view) session_->Clear(slot + view);
  free_slots_.push_back(slot);
}

llama_seq_id DenoisingPasses::ForkSlot(llama_seq_id slot) {
  const llama_seq_id fork = TakeSlot();
  for (int32_t view = 0; view < reader_.views(); ++view) {
    session_->Fork(slot + view, fork + view);
  }
  return fork;
}

bool DenoisingPasses::OutOfBudget() const {
  return session_->OutOfBudget(options_->max_total_tokens, options_->deadline);
}

bool DenoisingPasses::Run(const std::vector<ReadText*>& texts, const Use& use) {
  // First the texts that need a full pass, grouped by state, then each other text as its own group.
  std::map<std::vector<llama_token>, Group> states;
  std::vector<Group> groups;
  for (ReadText* text : texts) {
    if (!text->cached) states[text->tokens].push_back(text);
  }
  for (auto& [tokens, group] : states) groups.push_back(std::move(group));
  const size_t full = groups.size();
  for (ReadText* text : texts) {
    if (text->cached) groups.push_back({text});
  }
  std::vector<StateRead> reads;
  for (size_t i = 0; i < groups.size(); ++i) reads.push_back(ReadFor(groups[i], i < full));
  size_t done = 0;
  reader_.Read(reads, [&](size_t begin, size_t end, const auto& rows) {
    for (size_t i = begin; i < end; ++i) use(groups[i], reads[i].positions, rows[i - begin]);
    if (session_->cache() != DiffusionCache::kNone) {
      for (size_t i = begin; i < std::min(end, full); ++i) Keep(groups[i]);
    }
    done = end;
    return !OutOfBudget();
  });
  return done == groups.size();
}

StateRead DenoisingPasses::ReadFor(const Group& group, bool full) {
  const ReadText& text = *group.front();
  const auto length = static_cast<int32_t>(text.tokens.size());
  StateRead read = {&text.tokens, {}, 0, length};
  for (const ReadText* one : group) {  // with random remasking their positions differ
    read.positions.insert(read.positions.end(), one->positions.begin(), one->positions.end());
  }
  std::sort(read.positions.begin(), read.positions.end());
  read.positions.erase(std::unique(read.positions.begin(), read.positions.end()),
                       read.positions.end());
  auto& counters = session_->counters;
  (full ? counters.full_passes : counters.block_passes) += reader_.views();
  counters.shared += static_cast<int64_t>(group.size()) - 1;
  if (session_->cache() == DiffusionCache::kNone) return read;
  read.slot = text.slot;
  const int32_t first = session_->FirstReadFor(schedule_->BlockStart(text));
  if (!full) {
    read.first = first;
    if (session_->cache() == DiffusionCache::kDual) read.last = schedule_->BlockEnd(text);
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

// Keeps what a full pass computed for those texts of the group that go on in the same block. The
// first text's slot has it, and is copied to the other texts' slots.
void DenoisingPasses::Keep(const Group& group) {
  for (ReadText* text : group) text->cached = !schedule_->OpenPositions(*text).empty();
  const auto goes_on = [](const ReadText* text) { return text->cached; };
  if (std::none_of(group.begin(), group.end(), goes_on)) return;
  const ReadText& owner = *group.front();
  const int32_t end = schedule_->BlockEnd(owner);
  const int32_t first = session_->FirstReadFor(schedule_->BlockStart(owner));
  const bool parks =
      session_->cache() == DiffusionCache::kDual && end < static_cast<int32_t>(owner.tokens.size());
  for (int32_t view = 0; view < reader_.views(); ++view) {
    if (parks) {
      session_->ParkSuffix(owner.slot + view, first, end);
    } else {
      session_->KeepBefore(owner.slot + view, first);
    }
    for (const ReadText* text : group) {
      if (text == &owner || !text->cached) continue;
      session_->Clear(text->slot + view);
      session_->Fork(owner.slot + view, text->slot + view);
    }
  }
}

}  // namespace llama_ets
