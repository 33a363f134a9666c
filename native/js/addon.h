// What the addon keeps for each JavaScript environment.
#pragma once

#include <napi.h>

#include <set>

namespace llama_ets {

class EngineThread;

struct Addon {
  Napi::FunctionReference model;
  Napi::FunctionReference context;
  Napi::FunctionReference diffusion_context;
  Napi::FunctionReference saved_sequence;
  std::set<EngineThread*> engine_threads;  // not yet stopped
};

}  // namespace llama_ets
