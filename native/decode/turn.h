// One turn of the work under way in a context: what each wants decoded next, in one decode.
#pragma once

#include <exception>
#include <vector>

#include "decode/stepwise.h"

namespace llama_ets {

// Work in a turn, and how it came out: it goes on, it is done, or it failed.
struct TurnTaker {
  Stepwise* work;
  bool goes_on = true;
  std::exception_ptr error;
};

// All decode on one context. An error of one leaves the others as they are; only a decode that the
// engine fails is an error of all of them.
void TakeTurn(std::vector<TurnTaker>* takers);

}  // namespace llama_ets
