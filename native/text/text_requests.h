// What llama.cpp's libllama-common does with templates, answers, schemas and grammars, as requests
// and replies in JSON (src/engine/text/text-requests.ts). A request may crash or never end:
// templates and schemas come from strangers, and this code isn't made for that. So it runs in a
// process of its own, whose main program (text_process.cc) loads this module once the engine's
// libraries are there.
#pragma once

#include <string>

namespace llama_ets {

// Answers a request: an object `{ "op": …, … }`. The reply has the operation's fields, or `error`.
// Both are UTF-8.
std::string AnswerTextRequest(const std::string& request);

// The function by which the main program finds the above: no name of C++ is looked up.
using AnswerFunction = void (*)(const std::string& request, std::string* reply);
constexpr char kAnswerFunction[] = "llama_ets_answer_text_request";

}  // namespace llama_ets
