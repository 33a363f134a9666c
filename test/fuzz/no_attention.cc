// The checks of files open the engine, which registers attention of our own: here there is none.
#include "attention/shared_attention.h"

namespace llama_ets {

void RegisterSharedAttention() {}

}  // namespace llama_ets
