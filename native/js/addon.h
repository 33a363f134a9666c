// What the addon keeps for each JavaScript environment.
#pragma once

#include <napi.h>

namespace llama_ets {

struct Addon {
  Napi::FunctionReference model;
  Napi::FunctionReference context;
  Napi::FunctionReference diffusion_context;
  Napi::FunctionReference saved_sequence;
};

}  // namespace llama_ets
