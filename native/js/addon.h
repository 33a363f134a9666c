// What the addon keeps for each JavaScript environment.
#pragma once

#include <napi.h>

#include "js/held_children.h"

namespace llama_ets {

struct Addon {
  Napi::FunctionReference model;
  Napi::FunctionReference context;
  Napi::FunctionReference diffusion_context;
  Napi::FunctionReference saved_sequence;
  HeldChildren held_children;
};

}  // namespace llama_ets
