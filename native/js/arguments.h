// Reading JavaScript arguments: every number is checked here before it reaches llama.cpp, which
// aborts the process on a bad one.
#pragma once

#include <napi.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "files/engine_error.h"
#include "sampling/sampler.h"

namespace llama_ets {

// Makes the JavaScript error for an EngineError: `message` and `code`.
Napi::Error ToJsError(Napi::Env env, const EngineError& error);

// Runs a method's body, turning C++ exceptions, ours and llama.cpp's, into JavaScript ones.
template <typename Body>
auto Guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const EngineError& error) {
    throw ToJsError(env, error);
  } catch (const std::bad_alloc&) {
    throw ToJsError(env, EngineError("ERR_OUT_OF_MEMORY", "The engine ran out of memory"));
  } catch (const std::exception& error) {
    throw ToJsError(env, EngineError("ERR_ENGINE_FAILED", error.what()));
  }
}

// All of these throw EngineError ERR_INVALID_ARGUMENT, naming what was expected and what came.
int64_t ReadInteger(Napi::Value value, const std::string& name, int64_t min, int64_t max);
double ReadNumber(Napi::Value value, const std::string& name, double min, double max);
bool ReadBoolean(Napi::Value value, const std::string& name);
// A boolean of an object; false where it is left out.
bool ReadFlag(Napi::Object object, const char* name);
std::string ReadString(Napi::Value value, const std::string& name);
// A string that C reads whole: it has no U+0000.
std::string ReadCString(Napi::Value value, const std::string& name);
// An array of strings.
std::vector<std::string> ReadStrings(Napi::Value value, const std::string& name,
                                     uint32_t max_length);
Napi::Object ReadObject(Napi::Value value, const std::string& name);
Napi::Array ReadArray(Napi::Value value, const std::string& name, uint32_t max_length);
Napi::Function ReadFunction(Napi::Value value, const std::string& name);
// An array of at most so many elements, each read by `read(element, its name)`. Its length counts
// as it is at first: a getter may lengthen the array.
template <typename Element, typename Read>
std::vector<Element> ReadEach(Napi::Value value, const std::string& name, uint32_t max_length,
                              Read read) {
  const Napi::Array array = ReadArray(value, name, max_length);
  const uint32_t length = array.Length();
  std::vector<Element> elements;
  elements.reserve(length);
  for (uint32_t i = 0; i < length; ++i) {
    const Napi::HandleScope scope(value.Env());
    const Napi::Value element = array[i];
    elements.push_back(read(element, name + "[i]"));
  }
  return elements;
}
// An array of objects, at most 2^20, each read by `read(object)`.
template <typename Request, typename Read>
std::vector<Request> ReadRequests(Napi::Value value, const std::string& name, Read read) {
  return ReadEach<Request>(value, name, 1 << 20, [&](Napi::Value element, const std::string& each) {
    return read(ReadObject(element, each));
  });
}
// An array of N unsigned 32-bit words.
template <size_t N>
std::array<uint32_t, N> ReadWords(Napi::Value value, const std::string& name) {
  const Napi::Array array = ReadArray(value, name, N);
  std::array<uint32_t, N> words;
  for (uint32_t i = 0; i < N; ++i) {
    const Napi::Value word = array[i];
    words[i] = static_cast<uint32_t>(ReadInteger(word, name, 0, UINT32_MAX));
  }
  return words;
}
// Milliseconds from now, or null for none.
std::optional<std::chrono::steady_clock::time_point> ReadDeadline(Napi::Value value,
                                                                  const std::string& name);
// An Int32Array of token ids from `min` to vocab_size - 1.
std::vector<llama_token> ReadTokens(Napi::Value value, const std::string& name, int32_t vocab_size,
                                    llama_token min = 0);
// { temperature, topK, topP, minP, vocabLimit, allowedTokens: Int32Array, ascending and unique,
//   grammar?: GBNF, grammarTokens?: Int32Array }
Sampling ReadSampling(Napi::Value value, int32_t vocab_size);
// Names of metrics, "entropies" and "selfCertainties"; undefined: none.
Metrics ReadMetrics(Napi::Value value);

// An array of what `convert` makes of each item.
template <typename Item, typename Convert>
Napi::Array ToArray(Napi::Env env, const std::vector<Item>& items, Convert convert) {
  Napi::Array array = Napi::Array::New(env, items.size());
  for (uint32_t i = 0; i < items.size(); ++i) {
    const Napi::HandleScope scope(env);
    array[i] = convert(items[i]);
  }
  return array;
}
Napi::Float64Array ToFloat64Array(Napi::Env env, const std::vector<double>& values);
Napi::Int32Array ToInt32Array(Napi::Env env, const std::vector<llama_token>& values);

}  // namespace llama_ets
