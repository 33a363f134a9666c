// A process that answers requests about templates, answers, schemas and grammars, one a line, on
// standard input and output. Whoever wrote a template may want it to crash, to run for ever or to
// take all memory: that ends this process, and nothing else. The system itself holds the limits, so
// that no code has to come back for them to act.
//
// Usage: llama_ets_text_process LIBLLAMA_COMMON MODULE MILLISECONDS MEBIBYTES
//
// MILLISECONDS of computing are what a request may take for each mebibyte of it that was begun,
// MEBIBYTES all memory. The first line that it writes is "ready", or says why it can't be.
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

// Exit codes that src/engine/text/text-process.ts knows.
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
  // Its address spaces are too large to be limited: what is in use is watched instead.
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

// Ends the process by SIGPROF once it has computed for that long; 0: never.
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
  // The module's names are looked up in what was loaded for all.
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
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // ends with its parent, also amid a request
#endif
  signal(SIGINT, SIG_IGN);  // a terminal sends it to all; the parent decides what it means
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
