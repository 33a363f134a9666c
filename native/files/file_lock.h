// File locks that the system frees when their owner ends in any way, even when it is killed.
#pragma once

namespace llama_ets {

// Takes an exclusive lock on an open file, which is held until its descriptor is closed. Returns
// false if the lock is already held through another descriptor, in this or another process. Throws
// EngineError ERR_WRITE if the file system does not support locks.
bool LockFile(int descriptor);

}  // namespace llama_ets
