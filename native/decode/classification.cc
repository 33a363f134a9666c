#include "decode/classification.h"

#include <utility>

#include "decode/stopwatch.h"
#include "files/engine_error.h"

namespace llama_ets {
namespace {

std::vector<ForkedTexts::Text> TextsOf(const std::vector<ClassificationRequest>& requests) {
  std::vector<ForkedTexts::Text> texts;
  for (const ClassificationRequest& request : requests) {
    texts.push_back({request.parent, request.tokens.data(), request.tokens.size()});
  }
  return texts;
}

}  // namespace

Classification::Classification(Session* session, std::vector<ClassificationRequest> requests)
    : session_(session),
      requests_(std::move(requests)),
      texts_(session, TextsOf(requests_)),
      results_(requests_.size()) {
  if (session_->classes() == 0) {
    throw EngineError("ERR_INVALID_STATE", "The context was not opened for classification");
  }
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  Admit();
}

bool Classification::GoesOn() const {
  session_->ThrowIfAborted();
  return !texts_.done();
}

void Classification::TakeRows() {
  const Stopwatch stopwatch(&session_->decode_counters.call_ns);
  session_->counters.scored += static_cast<int64_t>(texts_.rows().size());
  texts_.Retire([this](size_t text, std::optional<Sequence>* fork) {
    results_[text] = session_->ClassesOf((*fork)->slot);
  });
  Admit();
}

void Classification::Admit() {
  texts_.Admit([](size_t) {});
}

}  // namespace llama_ets
