#include "decode/scoring.h"

#include <cmath>
#include <utility>

#include "decode/stopwatch.h"

namespace llama_ets {
namespace {

// The tokens to decode. The logits at token i score token i + 1, so the last token is decoded only
// if the sequence is kept.
std::vector<ForkedTexts::Text> TextsOf(const std::vector<ScoreRequest>& requests) {
  std::vector<ForkedTexts::Text> texts;
  for (const ScoreRequest& request : requests) {
    const size_t count = request.tokens.size() - (request.keep ? 0 : 1);
    texts.push_back({request.parent, request.tokens.data(), count});
  }
  return texts;
}

}  // namespace

Scoring::Scoring(Session* session, std::vector<ScoreRequest> requests, Sampling sampling,
                 Metrics metrics)
    : session_(session),
      requests_(std::move(requests)),
      sampling_(std::move(sampling)),
      metrics_(metrics),
      sampler_(session, sampling_, metrics),
      texts_(session, TextsOf(requests_)),
      results_(requests_.size()),
      next_(requests_.size()) {
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  if (!sampling_.grammar.empty()) {
    const Grammar start(session->vocab(), sampling_);
    for (const ScoreRequest& request : requests_) {
      grammars_.push_back(StateAfter(&start, request.text));
    }
  }
  Admit();
}

// Frees all sequences that TakeResult did not hand out, also after an error.
Scoring::~Scoring() {
  if (finished_) return;
  for (const Scores& result : results_) {
    if (result.sequence != 0) session_->Free(result.sequence);
  }
}

bool Scoring::GoesOn() const {
  session_->ThrowIfAborted();
  return !texts_.done();
}

void Scoring::AddRows(Batch* batch, BatchRoom room) {
  // The session's own limit counts all rows that this task has in the batch.
  const auto added = static_cast<int32_t>(texts_.rows().size());
  room.outputs = std::min(room.outputs, session_->max_outputs() - added);
  texts_.AddRows(batch, room);
}

void Scoring::TakeRows() {
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  for (const ForkedTexts::Row& row : texts_.rows()) {
    const std::vector<llama_token>& tokens = requests_[row.text].tokens;
    if (row.place + 1 == tokens.size()) {
      next_[row.text] = session_->CopyRow(row.index);
    } else {
      AddRow(row.text, tokens[row.place + 1], session_->RowOf(row.index));
    }
  }
  ScoreRows();
  Retire();
  Admit();
}

std::vector<Scores> Scoring::TakeResult() {
  finished_ = true;
  return std::move(results_);
}

// Ends the texts that were read and hands out the sequences of those that are kept.
void Scoring::Retire() {
  texts_.Retire([this](size_t text, std::optional<Sequence>* fork) {
    if (!requests_[text].keep) return;
    (*fork)->next = std::move(next_[text]);
    results_[text].sequence = session_->Adopt(std::move(**fork));
    fork->reset();
  });
}

// Begins continuations and scores their first tokens from their parents' stored logits.
void Scoring::Admit() {
  texts_.Admit([this](size_t i) {
    const ScoreRequest& request = requests_[i];
    AddRow(i, request.tokens[0], session_->Logits(request.parent)->data());
  });
  ScoreRows();
}

void Scoring::AddRow(size_t request, llama_token token, const float* logits) {
  std::unique_ptr<Grammar> before;
  bool is_allowed = true;
  if (!grammars_.empty()) {
    before = std::make_unique<Grammar>(*grammars_[request]);
    is_allowed = before->Allows(token);
    grammars_[request]->Accept(token);
  }
  rows_.push_back({request, token, logits, std::move(before), is_allowed});
}

void Scoring::ScoreRows() {
  scored_.resize(rows_.size());
  sampler_.ForEach(rows_.size(), [this](size_t i, Sampler* sampler) {
    const Row& row = rows_[i];
    scored_[i] = row.grammar && row.is_allowed
                     ? sampler->ScoreAllowed(row.logits, *row.grammar, row.token)
                     : sampler->Score(row.logits, row.token);
    if (!row.is_allowed) scored_[i].log_mass = -HUGE_VAL;
  });
  for (size_t i = 0; i < rows_.size(); ++i) {
    Scores& result = results_[rows_[i].request];
    result.log_probs.push_back(scored_[i].log_prob);
    result.raw_log_probs.push_back(scored_[i].raw_log_prob);
    if (rows_[i].grammar) result.log_masses.push_back(scored_[i].log_mass);
    if (metrics_.entropy) result.entropies.push_back(scored_[i].entropy);
    if (metrics_.self_certainty) result.self_certainties.push_back(scored_[i].self_certainty);
  }
  session_->counters.scored += static_cast<int64_t>(rows_.size());
  rows_.clear();
}

}  // namespace llama_ets
