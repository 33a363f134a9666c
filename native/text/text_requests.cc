#include "text/text_requests.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <iomanip>
#include <map>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "chat.h"
#include "json.h"
#include "llama.h"

namespace llama_ets {
namespace {

using Json = common_json;

std::string Text(const Json& request, const std::string& name) {
  return request.at(name).get<std::string>();
}

// Noon, local time, of a day written as YYYY-MM-DD, so that a template shows this day in any time
// zone.
std::time_t NoonOf(const std::string& date) {
  std::tm noon = {};
  std::istringstream stream(date);
  stream >> std::get_time(&noon, "%Y-%m-%d");
  if (stream.fail()) throw std::invalid_argument("expected a date YYYY-MM-DD");
  noon.tm_hour = 12;
  noon.tm_isdst = -1;
  return std::mktime(&noon);
}

// Renders a template with only the given variables, as Python's jinja2 does. The request is
// `{ template, context }`, the reply is `{ text }`. With `date`, the template takes that day for
// today.
Json Render(const Json& request) {
  jinja::lexer lexer;
  const jinja::lexer_result lexed = lexer.tokenize(Text(request, "template"));
  const jinja::program program = jinja::parse_from_tokens(lexed);
  jinja::context context(lexed.source);
  jinja::global_from_json(context, request.at("context"), /*mark_input=*/false);
  if (request.contains("date")) context.current_time = NoonOf(Text(request, "date"));
  jinja::runtime runtime(context);
  const auto parts = jinja::runtime::gather_string_parts(runtime.execute(program));
  Json reply;
  reply["text"] = parts->as_string().str();
  return reply;
}

// Renders with one of llama.cpp's built-in templates. The request has `{ name, messages }`, the
// reply is `{ text }`. If there is no template of this name, the reply is `{ names }`, the names
// that exist.
Json RenderNamed(const Json& request) {
  const std::string name = Text(request, "name");
  std::vector<const char*> names(llama_chat_builtin_templates(nullptr, 0));
  llama_chat_builtin_templates(names.data(), names.size());
  Json reply;
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    reply["names"] = std::vector<std::string>(names.begin(), names.end());
    return reply;
  }
  std::vector<std::string> texts;
  for (const Json& message : request.at("messages")) {
    texts.push_back(Text(message, "role"));
    texts.push_back(Text(message, "content"));
  }
  std::vector<llama_chat_message> messages;
  for (size_t i = 0; i < texts.size(); i += 2) {
    messages.push_back({texts[i].c_str(), texts[i + 1].c_str()});
  }
  std::string text;
  for (int32_t length = 0;;) {
    length = llama_chat_apply_template(name.c_str(), messages.data(), messages.size(), true,
                                       text.data(), static_cast<int32_t>(text.size()));
    if (length < 0) throw std::runtime_error("llama.cpp refuses these messages");
    const bool is_whole = static_cast<size_t>(length) <= text.size();
    text.resize(length);
    if (is_whole) break;
  }
  reply["text"] = text;
  return reply;
}

// A template applied to a conversation. The request is
// `{ template, bos, eos, messages, tools, thinking }`.
struct Applied {
  common_chat_params params;
  std::map<std::string, bool> abilities;
};

Applied Apply(const Json& request) {
  const std::string source = Text(request, "template");
  if (source.empty()) throw std::invalid_argument("the template is empty");
  const common_chat_templates_ptr templates =
      common_chat_templates_init(nullptr, source, Text(request, "bos"), Text(request, "eos"));
  common_chat_templates_inputs inputs;
  inputs.messages = common_chat_msgs_parse_oaicompat(request.at("messages"));
  inputs.tools = common_chat_tools_parse_oaicompat(request.at("tools"));
  inputs.enable_thinking = request.at("thinking").get<bool>();
  inputs.parallel_tool_calls = true;
  inputs.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
  return {common_chat_templates_apply(templates.get(), inputs),
          common_chat_templates_get_caps(templates.get())};
}

// Describes what llama.cpp knows about a template, besides the text that it renders.
Json Describe(const Json& request) {
  const auto [params, abilities] = Apply(request);
  Json reply;
  reply["thinks"] = params.supports_thinking;
  reply["thoughtStart"] = params.thinking_start_tag;
  reply["thoughtEnds"] = params.thinking_end_tags;
  reply["generationPrompt"] = params.generation_prompt;
  reply["stops"] = params.additional_stops;
  reply["preservedTokens"] = params.preserved_tokens;
  reply["format"] = std::string(common_chat_format_name(params.format));
  reply["grammar"] = params.grammar;
  reply["grammarIsLazy"] = params.grammar_lazy;
  std::vector<std::string> triggers;
  for (const auto& trigger : params.grammar_triggers) triggers.push_back(trigger.value);
  reply["grammarTriggers"] = triggers;
  reply["takesTools"] = abilities.at("supports_tools");
  reply["writesToolCalls"] = abilities.at("supports_tool_calls");
  reply["takesSystem"] = abilities.at("supports_system_role");
  return reply;
}

// Parses an answer. The request is that of `Describe` with `answer` and `isPartial`, the reply is
// `{ content, thoughts, toolCalls }`. An answer that doesn't have the template's form is all
// content.
Json Parse(const Json& request) {
  const auto [params, abilities] = Apply(request);
  common_chat_parser_params parser(params);
  parser.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
  if (!params.parser.empty()) parser.parser.load(params.parser);
  const std::string answer = Text(request, "answer");
  common_chat_msg message;
  try {
    message = common_chat_parse(answer, request.at("isPartial").get<bool>(), parser);
  } catch (const std::exception&) {
    message.content = answer;
  }
  Json calls = Json::array();
  for (const auto& call : message.tool_calls) {
    calls.push_back({{"id", call.id}, {"name", call.name}, {"arguments", call.arguments}});
  }
  Json reply;
  reply["content"] = message.content;
  reply["thoughts"] = message.reasoning_content;
  reply["toolCalls"] = calls;
  return reply;
}

// While it exists, captures standard error, to which llama.cpp writes what is wrong with a grammar.
// Output that no longer fits into the pipe is lost.
class ErrorOutput {
 public:
  ErrorOutput() : before_(dup(STDERR_FILENO)) {
    if (pipe(pipe_) != 0) {
      close(before_);
      throw std::runtime_error("no pipe can be had");
    }
    for (const int end : pipe_) fcntl(end, F_SETFL, O_NONBLOCK);
    dup2(pipe_[1], STDERR_FILENO);
  }
  ~ErrorOutput() {
    dup2(before_, STDERR_FILENO);
    for (const int file : {before_, pipe_[0], pipe_[1]}) close(file);
  }
  ErrorOutput(const ErrorOutput&) = delete;
  ErrorOutput& operator=(const ErrorOutput&) = delete;

  std::string FirstLine() const {
    char text[1024];
    const ssize_t length = read(pipe_[0], text, sizeof text);
    const std::string whole(text, std::max<ssize_t>(length, 0));
    return whole.substr(0, whole.find('\n'));
  }

 private:
  int before_;
  int pipe_[2];
};

// Checks whether llama.cpp can read a grammar. The request is `{ grammar, root }`, the reply is
// `{ complaint }`, which is empty if llama.cpp can read it.
Json CheckGrammar(const Json& request) {
  const ErrorOutput errors;
  llama_sampler* sampler = llama_sampler_init_grammar(nullptr, Text(request, "grammar").c_str(),
                                                      Text(request, "root").c_str());
  Json reply;
  reply["complaint"] = std::string();
  if (sampler != nullptr) {
    llama_sampler_free(sampler);
  } else {
    const std::string said = errors.FirstLine();
    reply["complaint"] = said.empty() ? "llama.cpp can't read it" : said;
  }
  return reply;
}

Json Answer(const Json& request) {
  static const std::map<std::string, Json (*)(const Json&)> operations = {
      {"render", Render}, {"render-named", RenderNamed},   {"describe", Describe},
      {"parse", Parse},   {"check-grammar", CheckGrammar},
  };
  return operations.at(Text(request, "op"))(request);
}

}  // namespace

std::string AnswerTextRequest(const std::string& request) {
  Json reply;
  try {
    reply = Answer(Json::parse(request));
  } catch (const std::exception& error) {
    reply["error"] = std::string(error.what());
  }
  return reply.dump_safe();
}

}  // namespace llama_ets

extern "C" __attribute__((visibility("default"))) void llama_ets_answer_text_request(
    const std::string& request, std::string* reply) {
  *reply = llama_ets::AnswerTextRequest(request);
}
