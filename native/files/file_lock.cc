#include "files/file_lock.h"

#include <cerrno>
#include <cstring>
#include <string>

#ifdef _WIN32
#include <uv.h>
#include <windows.h>
#else
#include <sys/file.h>
#endif

#include "files/engine_error.h"

namespace llama_ets {

#ifdef _WIN32

bool LockFile(int descriptor) {
  const HANDLE file = uv_get_osfhandle(descriptor);
  OVERLAPPED whole = {};
  const DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
  if (LockFileEx(file, flags, 0, MAXDWORD, MAXDWORD, &whole)) return true;
  const DWORD error = GetLastError();
  if (error == ERROR_LOCK_VIOLATION || error == ERROR_IO_PENDING) return false;
  throw EngineError("ERR_WRITE", "LockFileEx failed with error " + std::to_string(error));
}

#else

bool LockFile(int descriptor) {
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  throw EngineError("ERR_WRITE", std::string("flock failed: ") + std::strerror(errno));
}

#endif

}  // namespace llama_ets
