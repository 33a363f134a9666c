#include "js/arguments.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

namespace llama_ets {
namespace {

// Below this, the quotient of a logit and the temperature may overflow.
constexpr double kMinTemperature = 1e-3;

std::string Describe(Napi::Value value) {
  if (value.IsNumber() || value.IsBoolean()) return value.ToString().Utf8Value();
  if (value.IsString()) return "a string";
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  return "a value of another type";
}

[[noreturn]] void Refuse(const std::string& name, const std::string& expected, Napi::Value value) {
  throw EngineError("ERR_INVALID_ARGUMENT",
                    "Expected `" + name + "` to be " + expected + ", got " + Describe(value));
}

std::string Range(double min, double max) {
  std::ostringstream text;
  text << " from " << min << " to " << max;
  return text.str();
}

}  // namespace

Napi::Error ToJsError(Napi::Env env, const EngineError& error) {
  Napi::Error js_error = Napi::Error::New(env, error.what());
  js_error.Set("code", Napi::String::New(env, error.code()));
  return js_error;
}

int64_t ReadInteger(Napi::Value value, const std::string& name, int64_t min, int64_t max) {
  const std::string expected =
      "an integer" + Range(static_cast<double>(min), static_cast<double>(max));
  if (!value.IsNumber()) Refuse(name, expected, value);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (number != std::floor(number) || !(number >= min && number <= max)) {
    Refuse(name, expected, value);
  }
  return static_cast<int64_t>(number);
}

double ReadNumber(Napi::Value value, const std::string& name, double min, double max) {
  const std::string expected = "a number" + Range(min, max);
  if (!value.IsNumber()) Refuse(name, expected, value);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= min && number <= max)) Refuse(name, expected, value);
  return number;
}

bool ReadBoolean(Napi::Value value, const std::string& name) {
  if (!value.IsBoolean()) Refuse(name, "true or false", value);
  return value.As<Napi::Boolean>().Value();
}

bool ReadFlag(Napi::Object object, const char* name) {
  const Napi::Value value = object.Get(name);
  return !value.IsUndefined() && ReadBoolean(value, name);
}

std::string ReadString(Napi::Value value, const std::string& name) {
  if (!value.IsString()) Refuse(name, "a string", value);
  return value.As<Napi::String>().Utf8Value();
}

std::string ReadCString(Napi::Value value, const std::string& name) {
  std::string text = ReadString(value, name);
  if (text.find('\0') != std::string::npos) Refuse(name, "a string without U+0000", value);
  return text;
}

std::vector<std::string> ReadStrings(Napi::Value value, const std::string& name,
                                     uint32_t max_length) {
  return ReadEach<std::string>(value, name, max_length, ReadString);
}

Napi::Object ReadObject(Napi::Value value, const std::string& name) {
  if (!value.IsObject()) Refuse(name, "an object", value);
  return value.As<Napi::Object>();
}

Napi::Array ReadArray(Napi::Value value, const std::string& name, uint32_t max_length) {
  if (!value.IsArray()) Refuse(name, "an array", value);
  const Napi::Array array = value.As<Napi::Array>();
  if (array.Length() > max_length) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `" + name + "` to have at most " +
                                                  std::to_string(max_length) + " elements, got " +
                                                  std::to_string(array.Length()));
  }
  return array;
}

Napi::Function ReadFunction(Napi::Value value, const std::string& name) {
  if (!value.IsFunction()) Refuse(name, "a function", value);
  return value.As<Napi::Function>();
}

std::optional<std::chrono::steady_clock::time_point> ReadDeadline(Napi::Value value,
                                                                  const std::string& name) {
  if (value.IsNull()) return std::nullopt;
  const double milliseconds = ReadNumber(value, name, 0, 1e12);
  return std::chrono::steady_clock::now() +
         std::chrono::microseconds(static_cast<int64_t>(milliseconds * 1000));
}

std::vector<llama_token> ReadTokens(Napi::Value value, const std::string& name, int32_t vocab_size,
                                    llama_token min) {
  const bool is_int32 =
      value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array;
  if (!is_int32) Refuse(name, "an Int32Array", value);
  const Napi::Int32Array array = value.As<Napi::Int32Array>();
  std::vector<llama_token> tokens(array.ElementLength());
  if (!tokens.empty())
    std::memcpy(tokens.data(), array.Data(), tokens.size() * sizeof(llama_token));
  for (llama_token token : tokens) {
    if (token >= min && token < vocab_size) continue;
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `" + name + "` to hold token ids from " +
                                                  std::to_string(min) + " to " +
                                                  std::to_string(vocab_size - 1) + ", got " +
                                                  std::to_string(token));
  }
  return tokens;
}

Sampling ReadSampling(Napi::Value value, int32_t vocab_size) {
  const Napi::Object options = ReadObject(value, "sampling");
  Sampling sampling;
  sampling.temperature = ReadNumber(options.Get("temperature"), "temperature", 0, 1e6);
  if (sampling.temperature > 0 && sampling.temperature < kMinTemperature) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `temperature` to be 0 or at least 0.001");
  }
  sampling.top_k = static_cast<int32_t>(ReadInteger(options.Get("topK"), "topK", 0, INT32_MAX));
  sampling.top_p = ReadNumber(options.Get("topP"), "topP", 0, 1);
  sampling.min_p = ReadNumber(options.Get("minP"), "minP", 0, 1);
  sampling.allowed = ReadTokens(options.Get("allowedTokens"), "allowedTokens", vocab_size);
  sampling.vocab_limit =
      static_cast<int32_t>(ReadInteger(options.Get("vocabLimit"), "vocabLimit", 1, INT32_MAX));
  const Napi::Value power = options.Get("power");
  if (!power.IsUndefined()) {
    sampling.power = ReadNumber(power, "power", 1e-3, 1e3);
    if (sampling.temperature > 0 && sampling.temperature / sampling.power < kMinTemperature) {
      throw EngineError("ERR_INVALID_ARGUMENT",
                        "Expected `temperature` over `power` to be at least 0.001");
    }
  }
  const Napi::Value grammar = options.Get("grammar");
  if (!grammar.IsUndefined()) sampling.grammar = ReadString(grammar, "grammar");
  const Napi::Value named = options.Get("grammarTokens");
  if (!named.IsUndefined()) {
    sampling.grammar_tokens = ReadTokens(named, "grammarTokens", vocab_size);
  }
  const auto& allowed = sampling.allowed;
  if (!allowed.empty() && allowed.back() >= sampling.vocab_limit) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `allowedTokens` to be below `vocabLimit`");
  }
  if (std::adjacent_find(allowed.begin(), allowed.end(), std::greater_equal<llama_token>()) !=
      allowed.end()) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `allowedTokens` to ascend");
  }
  return sampling;
}

Metrics ReadMetrics(Napi::Value value) {
  Metrics metrics;
  if (value.IsUndefined()) return metrics;
  for (const std::string& name : ReadStrings(value, "metrics", 2)) {
    if (name != "entropies" && name != "selfCertainties") {
      throw EngineError("ERR_INVALID_ARGUMENT",
                        "Expected `metrics` to hold \"entropies\" or \"selfCertainties\"");
    }
    (name == "entropies" ? metrics.entropy : metrics.self_certainty) = true;
  }
  return metrics;
}

Napi::Float64Array ToFloat64Array(Napi::Env env, const std::vector<double>& values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(double));
  return array;
}

Napi::Int32Array ToInt32Array(Napi::Env env, const std::vector<llama_token>& values) {
  Napi::Int32Array array = Napi::Int32Array::New(env, values.size());
  if (!values.empty())
    std::memcpy(array.Data(), values.data(), values.size() * sizeof(llama_token));
  return array;
}

}  // namespace llama_ets
