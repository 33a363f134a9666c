// The engine thread of one llama_context, and its queue of jobs. The jobs of one partition run one
// after another. A job can begin a decode task. The tasks of all partitions are stepped together:
// each adds its rows to the next batch. Only the engine thread uses the sessions. Nothing here
// depends on JavaScript.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "decode/decode_task.h"
#include "decode/job_monitor.h"

namespace llama_ets {

// One run's share of a context.
struct Partition {
  JobMonitor monitor;
  // Only the engine thread uses these two. The session is null before the job that opens the
  // partition and after the job that closes it.
  std::shared_ptr<void> session;
  bool is_stepping = false;  // a task of the partition is running
};

class Scheduler {
 public:
  struct Job {
    std::shared_ptr<Partition> partition;
    // Returns the task to step, or null when the job is done.
    std::function<DecodeTask*()> begin;
    // Called once, after the last step, with the error that `begin` or a step threw.
    std::function<void(std::exception_ptr)> end;
    bool closes = false;  // this is the partition's last job
    int64_t number = 0;   // set by Post
  };

  // Starts the thread. Throws EngineError ERR_ENGINE_FAILED if the system can't start one.
  Scheduler();
  ~Scheduler() { Stop(); }
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Must be called before the partition's first job is posted.
  void Add(std::shared_ptr<Partition> partition);
  void Post(Job job);
  // Whether the last partition was closed. The thread then takes no more jobs and returns.
  bool HasEnded() const { return ended_; }
  // Aborts running jobs, drops waiting jobs, and waits until the thread has ended.
  void Stop();

 private:
  // A job whose task is being stepped.
  struct Running {
    Job job;
    DecodeTask* task;
    bool goes_on;
    std::exception_ptr error;
  };

  void Loop();
  std::optional<Job> NextJob();
  void Begin(Job job);
  void Close(Partition* partition);
  void Step();
  template <typename Work>
  static void Attempt(Running* running, Work work);
  void FillBatch();
  void DecodeBatch();
  void EndDone();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  std::vector<std::shared_ptr<Partition>> partitions_;  // those added and not yet closed
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};
  std::vector<Running> running_;    // engine thread only; in the order in which they began
  std::vector<Decoder*> decoders_;  // scratch
  std::thread thread_;
};

}  // namespace llama_ets
