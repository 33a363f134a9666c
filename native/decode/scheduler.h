// The engine thread of one llama_context, and its queue. Jobs of a partition run one after another;
// the decode tasks that they begin are stepped side by side with those of the other partitions,
// each of which gives its rows to the next batch. Only the engine thread touches the sessions, and
// nothing here knows of JavaScript.
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
  // These two are the engine thread's. What the partition's jobs run on: null before the job that
  // opens it, and after the one that closes it.
  std::shared_ptr<void> session;
  bool is_stepping = false;  // a task of it is under way
};

class Scheduler {
 public:
  struct Job {
    std::shared_ptr<Partition> partition;
    // Returns what is to be stepped, or null when the job is done.
    std::function<DecodeTask*()> begin;
    // Called once, after the last step, with the error that `begin` or a step threw.
    std::function<void(std::exception_ptr)> end;
    bool closes = false;  // it is the partition's last
    int64_t number = 0;   // set as it is posted
  };

  // Starts the thread. Throws EngineError ERR_ENGINE_FAILED where the system grants none.
  Scheduler();
  ~Scheduler() { Stop(); }
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Comes before the partition's first job.
  void Add(std::shared_ptr<Partition> partition);
  void Post(Job job);
  // Whether the last partition was closed. The thread does nothing more then than return.
  bool HasEnded() const { return ended_; }
  // Aborts what runs, drops what waits, and waits for the thread.
  void Stop();

 private:
  // A job whose task is under way.
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
  std::vector<std::shared_ptr<Partition>> partitions_;  // added and not closed
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};
  std::vector<Running> running_;    // the engine thread's, in the order in which they began
  std::vector<Decoder*> decoders_;  // scratch
  std::thread thread_;
};

}  // namespace llama_ets
