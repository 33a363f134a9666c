// What the addon keeps for each JavaScript environment.
#pragma once

#include <napi.h>

namespace llama_ets {

struct Addon {
  Napi::FunctionReference model;
  Napi::FunctionReference context;
  Napi::FunctionReference diffusion_context;
};

}  // namespace llama_ets
