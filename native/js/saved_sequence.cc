#include "js/saved_sequence.h"

#include <utility>

#include "files/engine_error.h"
#include "js/addon.h"

namespace llama_ets {
namespace {

// Marks the objects that wrap a SavedSequence.
constexpr napi_type_tag kSavedTag = {0x3f7d2c41a95b4e08, 0x9b0e6a57d1c2f384};

}  // namespace

Napi::Function SavedSequence::Define(Napi::Env env) {
  return DefineClass(env, "SavedSequence",
                     {InstanceMethod<&SavedSequence::Bytes>("bytes"),
                      InstanceMethod<&SavedSequence::Free>("free")});
}

SavedSequence::SavedSequence(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SavedSequence>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "SavedSequence is made by save()");
  }
  text_ = *info[0].As<Napi::External<std::shared_ptr<const SavedText>>>().Data();
  info.This().As<Napi::Object>().TypeTag(&kSavedTag);
}

Napi::Object SavedSequence::Make(Napi::Env env, std::shared_ptr<const SavedText> text) {
  const auto external = Napi::External<std::shared_ptr<const SavedText>>::New(env, &text);
  return env.GetInstanceData<Addon>()->saved_sequence.New({external});
}

std::shared_ptr<const SavedText> SavedSequence::Read(Napi::Value value, const std::string& name) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kSavedTag)) {
    throw EngineError("ERR_INVALID_ARGUMENT", "Expected `" + name + "` to be a saved sequence");
  }
  std::shared_ptr<const SavedText> text = Unwrap(value.As<Napi::Object>())->text_;
  if (!text) throw EngineError("ERR_DISPOSED", "The saved sequence was freed");
  return text;
}

// bytes() -> number; 0 after free()
Napi::Value SavedSequence::Bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), text_ ? static_cast<double>(text_->bytes()) : 0);
}

// free(): frees the memory at once, or after a running call of restore()
Napi::Value SavedSequence::Free(const Napi::CallbackInfo& info) {
  text_.reset();
  return info.Env().Undefined();
}

}  // namespace llama_ets
