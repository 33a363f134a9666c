// Where a text ends: at an end-of-generation token, a stop token or a stop string.
#pragma once

#include <llama.h>

#include <string>
#include <vector>

namespace llama_ets {

// kLength: it has as many tokens as it may; kBudget: it goes on, or the budget cut it off.
enum class Finish { kEnd, kStop, kLength, kBudget };

class TextEnd {
 public:
  // The lists outlive it.
  TextEnd(const llama_vocab* vocab, const std::vector<llama_token>& stop_tokens,
          const std::vector<std::string>& stop_strings);

  // How a text ends with the token: kEnd, kStop, or kBudget when it goes on. `tail`, the end of the
  // text where a stop string may have begun, grows by the token.
  Finish FinishWith(llama_token token, std::string* tail) const;

 private:
  bool EndsWithStopString(llama_token token, std::string* tail) const;

  const llama_vocab* vocab_;
  const std::vector<llama_token>& stop_tokens_;
  const std::vector<std::string>& stop_strings_;
  size_t longest_stop_ = 0;
};

}  // namespace llama_ets
