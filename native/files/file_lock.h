// Locks that the system frees however their owner ends: a killed process leaves none behind.
#pragma once

namespace llama_ets {

// Takes an exclusive lock on an open file, held until its descriptor is closed; false: somebody
// else, also within this process, holds it. Throws EngineError ERR_WRITE where the file system
// has no locks.
bool LockFile(int descriptor);

}  // namespace llama_ets
