// A process that answers requests about templates, answers, schemas and grammars. It reads one
// request per line from standard input and writes one reply per line to standard output. A
// malicious template may crash, run forever or take all memory; this ends only this process. The
// system enforces the limits, so they work even if a call never returns.
//
// Usage: llama_ets_text_process LIBLLAMA_COMMON MODULE MILLISECONDS MEBIBYTES
//
// A request may compute for MILLISECONDS for each mebibyte of its length (rounded up). The process
// may use MEBIBYTES of memory. Its first line of output is "ready", or the reason why it could not
// start.
#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <new>
#include <string>

#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef __APPLE__
#include <mach/mach.h>

#include <thread>
#endif

#include "text/text_requests.h"

namespace {

// src/engine/text/text-process.ts uses the same exit codes.
constexpr int kOutOfMemory = 70;
constexpr int kNotLoaded = 71;

constexpr rlim_t kMebibyte = 1 << 20;
constexpr rlim_t kStack = 8 * kMebibyte;

void Limit(int resource, rlim_t most) {
  rlimit limit;
  if (getrlimit(resource, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? most : std::min(most, limit.rlim_max);
  setrlimit(resource, &limit);
}

void LimitMemory(rlim_t bytes) {
  std::set_new_handler([] { _exit(kOutOfMemory); });
  Limit(RLIMIT_STACK, kStack);
  Limit(RLIMIT_CORE, 0);
#ifdef __APPLE__
  // On macOS address spaces are too large to limit, so a thread watches the memory in use.
  std::thread([bytes] {
    for (;; usleep(5000)) {
      task_vm_info_data_t info;
      mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
      const kern_return_t status =
          task_info(mach_task_self(), TASK_VM_INFO, reinterpret_cast<task_info_t>(&info), &count);
      if (status == KERN_SUCCESS && info.phys_footprint > bytes) _exit(kOutOfMemory);
    }
  }).detach();
#else
  Limit(RLIMIT_AS, bytes);
#endif
}

// Makes the system end the process with SIGPROF once it has computed for that long. 0 removes the
// limit.
void LimitTime(long milliseconds) {
  itimerval timer{};
  timer.it_value.tv_sec = milliseconds / 1000;
  timer.it_value.tv_usec = milliseconds % 1000 * 1000;
  setitimer(ITIMER_PROF, &timer, nullptr);
}

[[noreturn]] void Fail(std::ostream& output, const std::string& reason) {
  output << reason << std::endl;
  _exit(kNotLoaded);
}

llama_ets::AnswerFunction Load(const char* library, const char* module, std::ostream& output) {
  // RTLD_GLOBAL, so that the module finds its symbols in this library.
  if (dlopen(library, RTLD_NOW | RTLD_GLOBAL) == nullptr) Fail(output, dlerror());
  void* handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) Fail(output, dlerror());
  void* function = dlsym(handle, llama_ets::kAnswerFunction);
  if (function == nullptr) Fail(output, dlerror());
  return reinterpret_cast<llama_ets::AnswerFunction>(function);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) Fail(std::cout, "Expected four arguments");
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // so that it ends with its parent, also during a request
#endif
  signal(SIGINT, SIG_IGN);  // a terminal sends it to all processes; only the parent acts on it
  LimitMemory(std::strtoul(argv[4], nullptr, 10) * kMebibyte);
  const auto answer = Load(argv[1], argv[2], std::cout);
  std::cout << "ready" << std::endl;
  const long milliseconds = std::strtol(argv[3], nullptr, 10);
  std::string reply;
  for (std::string request; std::getline(std::cin, request);) {
    LimitTime(milliseconds * (1 + static_cast<long>(request.size() / kMebibyte)));
    answer(request, &reply);
    LimitTime(0);
    std::cout << reply << std::endl;
  }
}
