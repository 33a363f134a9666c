// Reads JavaScript arguments. Every number is checked here before it reaches llama.cpp, which
// aborts the process on invalid numbers.
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

// Runs a method's body and turns C++ exceptions, ours and llama.cpp's, into JavaScript exceptions.
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

// All Read functions throw EngineError ERR_INVALID_ARGUMENT, whose message names the expected and
// the actual value.
int64_t ReadInteger(Napi::Value value, const std::string& name, int64_t min, int64_t max);
double ReadNumber(Napi::Value value, const std::string& name, double min, double max);
bool ReadBoolean(Napi::Value value, const std::string& name);
// A boolean property of an object; false if it is undefined.
bool ReadFlag(Napi::Object object, const char* name);
std::string ReadString(Napi::Value value, const std::string& name);
// A string without U+0000, so that C functions read all of it.
std::string ReadCString(Napi::Value value, const std::string& name);
// An array of strings.
std::vector<std::string> ReadStrings(Napi::Value value, const std::string& name,
                                     uint32_t max_length);
Napi::Object ReadObject(Napi::Value value, const std::string& name);
Napi::Array ReadArray(Napi::Value value, const std::string& name, uint32_t max_length);
Napi::Function ReadFunction(Napi::Value value, const std::string& name);
// An array of at most `max_length` elements, each read by `read(element, its name)`. The length is
// read once at the beginning, because a getter may lengthen the array later.
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
// An array of at most 2^20 objects, each read by `read(object)`.
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
// The time that is a number of milliseconds from now; nothing for null.
std::optional<std::chrono::steady_clock::time_point> ReadDeadline(Napi::Value value,
                                                                  const std::string& name);
// An Int32Array of token ids from `min` to vocab_size - 1.
std::vector<llama_token> ReadTokens(Napi::Value value, const std::string& name, int32_t vocab_size,
                                    llama_token min = 0);
// { temperature, topK, topP, minP, vocabLimit, allowedTokens: Int32Array, ascending and unique,
//   grammar?: GBNF, grammarTokens?: Int32Array }
Sampling ReadSampling(Napi::Value value, int32_t vocab_size);
// An array of metrics' names, "entropies" and "selfCertainties". Undefined means no metrics.
Metrics ReadMetrics(Napi::Value value);

// A JavaScript array of `convert(item)` for each item.
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
