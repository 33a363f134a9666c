// Gives access to llama.cpp's libllama-common, which works with templates, answers, schemas and
// grammars, by requests and replies in JSON (src/engine/text/text-requests.ts). A request may crash
// or never end, because templates and schemas are not trusted and llama.cpp's code isn't made for
// that. So this module runs in a process of its own, whose main program (text_process.cc) loads it
// after the engine's libraries.
#pragma once

#include <string>

namespace llama_ets {

// Answers a request: an object `{ "op": …, … }`. The reply has the operation's fields, or `error`.
// Both are UTF-8.
std::string AnswerTextRequest(const std::string& request);

// The main program calls AnswerTextRequest through this exported function, because it can look up
// only names with C linkage.
using AnswerFunction = void (*)(const std::string& request, std::string* reply);
constexpr char kAnswerFunction[] = "llama_ets_answer_text_request";

}  // namespace llama_ets
