// The JavaScript class SavedSequence: a copy of a sequence outside its context.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "decode/session.h"

namespace llama_ets {

class SavedSequence : public Napi::ObjectWrap<SavedSequence> {
 public:
  static Napi::Function Define(Napi::Env env);
  // Called only by Make.
  explicit SavedSequence(const Napi::CallbackInfo& info);
  static Napi::Object Make(Napi::Env env, std::shared_ptr<const SavedText> text);
  // The text of a JavaScript value that is a SavedSequence. Throws EngineError
  // ERR_INVALID_ARGUMENT, with the argument's `name`, if it is not, and ERR_DISPOSED after free().
  static std::shared_ptr<const SavedText> Read(Napi::Value value, const std::string& name);

 private:
  Napi::Value Bytes(const Napi::CallbackInfo& info);
  Napi::Value Free(const Napi::CallbackInfo& info);

  std::shared_ptr<const SavedText> text_;  // null after free()
};

}  // namespace llama_ets
