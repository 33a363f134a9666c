// State that JavaScript's thread and the engine thread share while jobs run.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace llama_ets {

struct JobMonitor {
  // Jobs are numbered from 1 in the order in which they are posted. An abort covers all jobs posted
  // so far.
  std::atomic<int64_t> last_posted{0};
  std::atomic<int64_t> running{0};
  std::atomic<int64_t> aborted_through{-1};
  // Tokens generated so far by the running generate call.
  std::atomic<int64_t> generated{0};

  // Show and ShowNext publish the first text of the running call, so that JavaScript can show it:
  // for denoise the text with the places unmasked so far, for generate the tokens drawn so far.
  void Show(const std::vector<int32_t>& tokens) {
    const std::lock_guard<std::mutex> lock(shown_mutex_);
    shown_ = tokens;
  }
  void ShowNext(int32_t token) {
    const std::lock_guard<std::mutex> lock(shown_mutex_);
    shown_.push_back(token);
  }
  // The published tokens, without the first `from`.
  std::vector<int32_t> Shown(size_t from = 0) {
    const std::lock_guard<std::mutex> lock(shown_mutex_);
    if (from >= shown_.size()) return {};
    return {shown_.begin() + static_cast<std::ptrdiff_t>(from), shown_.end()};
  }

  void Abort() { aborted_through = last_posted.load(); }
  bool IsAborted() const { return running <= aborted_through; }

 private:
  std::mutex shown_mutex_;
  std::vector<int32_t> shown_;
};

}  // namespace llama_ets
