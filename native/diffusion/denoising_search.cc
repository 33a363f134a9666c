#include "diffusion/denoising_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "decode/stopwatch.h"
#include "diffusion/denoising_passes.h"
#include "sampling/row_sampler.h"

namespace llama_ets {
namespace {

// One of the most probable outcomes of a step: for each position, the rank of its token.
struct Outcome {
  std::vector<size_t> ranks;
  double log_prob;
};

// The possible results of a step for a text.
struct Outlook {
  std::vector<int32_t> positions;                     // those that the step unmasks
  std::vector<std::vector<TokenProbability>> tokens;  // at each position, the most probable first
  std::vector<Outcome> outcomes;                      // the most probable first
};

struct Node {
  ReadText read;
  DenoisedText text;
  double log_prob;
  size_t origin;
};

// The `count` most probable combinations of one token per position.
std::vector<Outcome> MostProbable(const std::vector<std::vector<TokenProbability>>& tokens,
                                  size_t count) {
  std::vector<Outcome> best = {{{}, 0}};
  for (const std::vector<TokenProbability>& ranked : tokens) {
    // Both lists are sorted. So (i + 1) (j + 1) pairs, including (i, j) itself, are at least as
    // probable as the pair (i, j), and pairs with a product above `count` are not needed.
    std::vector<Outcome> pairs;
    for (size_t i = 0; i < best.size(); ++i) {
      for (size_t j = 0; j < ranked.size() && (i + 1) * (j + 1) <= count; ++j) {
        pairs.push_back({best[i].ranks, best[i].log_prob + ranked[j].log_prob});
        pairs.back().ranks.push_back(j);
      }
    }
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Outcome& a, const Outcome& b) { return a.log_prob > b.log_prob; });
    pairs.resize(std::min(count, pairs.size()));
    best = std::move(pairs);
  }
  return best;
}

class Search {
 public:
  Search(DiffusionSession* session, const std::vector<Hypothesis>& hypotheses,
         const SearchOptions& options)
      : session_(session),
        options_(options),
        denoising_(options.denoising),
        keeps_slots_(session->cache() != DiffusionCache::kNone),
        // Twice the width, because up to `width` outcomes may end the text.
        outcomes_(2 * options.width),
        schedule_(session, &denoising_),
        passes_(session, &schedule_, &denoising_),
        sampler_(session, denoising_.sampling) {
    for (size_t i = 0; i < hypotheses.size(); ++i) {
      const Hypothesis& one = hypotheses[i];
      Node node = {{schedule_.Begin(one.tokens, i)}, DenoisedText(one.tokens), one.log_prob, i};
      if (const auto finish = passes_.Advance(&node.read)) {
        Keep(&node, *finish);
        continue;
      }
      if (keeps_slots_) node.read.slot = passes_.TakeSlot();
      live_.push_back(std::move(node));
    }
  }

  std::vector<FoundText> Run() {
    const Stopwatch stopwatch(&session_->decode_counters.call_ns);
    while (!live_.empty() && ended_ < options_.wanted && !passes_.OutOfBudget()) Step();
    if (ended_ < options_.wanted) {
      for (Node& node : live_) Keep(&node, DenoisingFinish::kBudget);
    }
    return std::move(found_);
  }

 private:
  void Keep(Node* node, DenoisingFinish finish) {
    node->text.finish = finish;
    if (HasEnded(finish)) ++ended_;
    found_.push_back({std::move(node->text), node->log_prob, node->origin});
  }

  static bool HasEnded(DenoisingFinish finish) {
    return finish == DenoisingFinish::kEnd || finish == DenoisingFinish::kLength;
  }

  // Takes one step of all hypotheses, or of none if the budget is spent before all were read.
  void Step() {
    std::vector<Outlook> outlooks(live_.size());
    std::vector<ReadText*> texts;
    for (size_t i = 0; i < live_.size(); ++i) {
      ReadText& text = live_[i].read;
      text.index = i;
      text.positions = schedule_.PositionsToRead(text, options_.stream);
      texts.push_back(&text);
    }
    const auto look = [&](const auto& group, const auto& positions, const auto& rows) {
      for (const ReadText* text : group) outlooks[text->index] = LookAhead(*text, positions, rows);
    };
    if (passes_.Run(texts, look)) Extend(outlooks);
  }

  // A text's most probable outcomes. `rows` has the logits of `positions`.
  Outlook LookAhead(const ReadText& text, const std::vector<int32_t>& positions,
                    const std::vector<const float*>& rows) {
    std::vector<double> priorities(rows.size());
    sampler_.ForEach(rows.size(), [&](size_t row, Sampler* sampler) {
      priorities[row] = denoising_.remasking == Remasking::kLowConfidence
                            ? std::exp(sampler->Top(rows[row], 1).front().raw_log_prob)
                            : RowPriority(denoising_.remasking, rows[row], session_->vocab_size());
    });
    const std::vector<size_t> chosen = Highest(priorities, schedule_.CountOf(text));
    Outlook outlook;
    outlook.tokens.resize(chosen.size());
    for (const size_t i : chosen) outlook.positions.push_back(positions[i]);
    sampler_.ForEach(chosen.size(), [&](size_t i, Sampler* sampler) {
      outlook.tokens[i] = sampler->Top(rows[chosen[i]], outcomes_);
    });
    outlook.outcomes = MostProbable(outlook.tokens, outcomes_);
    return outlook;
  }

  // Replaces the hypotheses by their most probable extensions.
  void Extend(const std::vector<Outlook>& outlooks) {
    struct Extension {
      size_t parent, outcome;
      double log_prob;
    };
    std::vector<Extension> extensions;
    for (size_t i = 0; i < live_.size(); ++i) {
      for (size_t k = 0; k < outlooks[i].outcomes.size(); ++k) {
        extensions.push_back({i, k, live_[i].log_prob + outlooks[i].outcomes[k].log_prob});
      }
    }
    std::stable_sort(
        extensions.begin(), extensions.end(),
        [](const Extension& a, const Extension& b) { return a.log_prob > b.log_prob; });

    std::vector<std::pair<size_t, Node>> children;  // extensions that go on, with their parents
    size_t going = 0;
    size_t ended = 0;
    for (const auto& [parent, outcome, log_prob] : extensions) {
      if (going == options_.width) break;
      Node child = Unmask(live_[parent], outlooks[parent], outcome, log_prob);
      if (going + ended == 0) session_->monitor()->Show(child.text.tokens);
      const auto finish = passes_.Advance(&child.read);
      const bool has_ended = finish && HasEnded(*finish);
      // All extensions of a step have unmasked equally many tokens, so at most `width` of those
      // that end can be among the best texts.
      if (has_ended && ++ended > options_.width) continue;
      going += has_ended ? 0 : 1;
      const auto count = static_cast<int64_t>(outlooks[parent].positions.size());
      session_->counters.unmasked += count;
      session_->monitor()->generated += count;
      if (finish) {
        Keep(&child, *finish);
      } else {
        children.push_back({parent, std::move(child)});
      }
    }
    Replace(std::move(children));
  }

  Node Unmask(const Node& parent, const Outlook& outlook, size_t outcome, double log_prob) const {
    Node child = {parent.read, parent.text, log_prob, parent.origin};
    for (size_t i = 0; i < outlook.positions.size(); ++i) {
      const TokenProbability& token = outlook.tokens[i][outlook.outcomes[outcome].ranks[i]];
      child.text.Unmask(&child.read, outlook.positions[i], token, schedule_.StepOf(parent.read));
    }
    child.text.steps += 1;
    child.read.block_step += 1;
    return child;
  }

  // Replaces the hypotheses by their children. The first child of a parent takes over the parent's
  // slot; the others get a copy of it.
  void Replace(std::vector<std::pair<size_t, Node>> children) {
    if (keeps_slots_) {
      std::vector<bool> goes_on(live_.size(), false);
      for (const auto& [parent, child] : children) goes_on[parent] = true;
      for (size_t i = 0; i < live_.size(); ++i) {
        if (!goes_on[i]) passes_.FreeSlot(live_[i].read.slot);
      }
      std::vector<bool> is_taken(live_.size(), false);
      for (auto& [parent, child] : children) {
        if (is_taken[parent]) child.read.slot = passes_.ForkSlot(child.read.slot);
        is_taken[parent] = true;
      }
    }
    live_.clear();
    for (auto& [parent, child] : children) live_.push_back(std::move(child));
  }

  DiffusionSession* session_;
  const SearchOptions& options_;
  const DenoisingOptions& denoising_;
  const bool keeps_slots_;
  const size_t outcomes_;
  DenoisingSchedule schedule_;
  DenoisingPasses passes_;
  RowSampler sampler_;
  std::vector<Node> live_;
  std::vector<FoundText> found_;
  size_t ended_ = 0;
};

}  // namespace

std::vector<FoundText> SearchTexts(DiffusionSession* session,
                                   const std::vector<Hypothesis>& hypotheses,
                                   const SearchOptions& options) {
  return Search(session, hypotheses, options).Run();
}

}  // namespace llama_ets
