#include "decode/turn.h"

#include <functional>

#include "decode/decoder.h"
#include "decode/stopwatch.h"

namespace llama_ets {
namespace {

// A turn taker's rows in the batch.
struct Share {
  TurnTaker* taker;
  int32_t first;
};

void Attempt(TurnTaker* taker, const std::function<void()>& step) {
  try {
    step();
    taker->goes_on = taker->work->GoesOn();
  } catch (...) {
    taker->error = std::current_exception();
    taker->goes_on = false;
  }
}

// False: the decode failed, for all of them.
bool Decode(const std::vector<Share>& shares) {
  std::vector<Decoder*> decoders;
  for (const Share& share : shares) decoders.push_back(share.taker->work->decoder());
  int64_t elapsed = 0;
  try {
    const Stopwatch stopwatch(&elapsed);
    Decoder::DecodeTogether(decoders);
  } catch (...) {
    for (const Share& share : shares) {
      share.taker->error = std::current_exception();
      share.taker->goes_on = false;
    }
    return false;
  }
  for (Decoder* decoder : decoders) decoder->decode_counters.call_ns += elapsed;
  return true;
}

}  // namespace

void TakeTurn(std::vector<TurnTaker>* takers) {
  std::vector<Share> shares;
  for (TurnTaker& taker : *takers) {
    Attempt(&taker, [] {});
    if (!taker.goes_on) continue;
    // A row takes a sequence, of which all lanes together have no more than a batch has rows.
    Batch& batch = taker.work->decoder()->batch();
    if (shares.empty()) batch.Clear();
    shares.push_back({&taker, batch.size()});
    taker.work->AddRows(&batch);
  }
  if (shares.empty() || !Decode(shares)) return;
  for (const Share& share : shares) {
    Attempt(share.taker, [&share] { share.taker->work->TakeRows(share.first); });
  }
}

}  // namespace llama_ets
