#include "decode/scheduler.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "decode/decoder.h"
#include "decode/stopwatch.h"
#include "decode/wait_until.h"
#include "files/engine_error.h"

namespace llama_ets {

Scheduler::Scheduler() {
  try {
    thread_ = std::thread([this] { Loop(); });
  } catch (const std::system_error& error) {
    throw EngineError("ERR_ENGINE_FAILED",
                      std::string("The system grants no thread to the engine: ") + error.what());
  }
}

void Scheduler::Add(std::shared_ptr<Partition> partition) {
  const std::lock_guard<std::mutex> lock(mutex_);
  partitions_.push_back(std::move(partition));
}

void Scheduler::Post(Job job) {
  job.number = ++job.partition->monitor.last_posted;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Scheduler::Stop() {
  if (!thread_.joinable()) return;
  std::deque<Job> dropped;  // so that the jobs are destroyed after the thread has ended
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& partition : partitions_) partition->monitor.Abort();
    stopping_ = true;
    dropped.swap(queue_);
  }
  wake_.notify_all();
  thread_.join();
}

// All functions below run on the engine thread.

void Scheduler::Loop() {
  while (!ended_) {
    std::optional<Job> job = NextJob();
    if (stopping_) break;
    if (job) {
      Begin(std::move(*job));
    } else {
      Step();
    }
  }
  running_.clear();
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& partition : partitions_) partition->session.reset();
}

// Takes the first job whose partition has no running task. If the queue is empty and no task runs,
// waits for a job. Returns nothing if the running tasks are to be stepped, or when stopping.
std::optional<Scheduler::Job> Scheduler::NextJob() {
  std::unique_lock<std::mutex> lock(mutex_);
  WaitUntil(wake_, lock, [this] { return stopping_ || !queue_.empty() || !running_.empty(); });
  const auto next = std::find_if(queue_.begin(), queue_.end(),
                                 [](const Job& job) { return !job.partition->is_stepping; });
  if (next == queue_.end()) return std::nullopt;
  std::optional<Job> job = std::move(*next);
  queue_.erase(next);
  return job;
}

void Scheduler::Begin(Job job) {
  job.partition->monitor.running = job.number;
  std::exception_ptr error;
  try {
    DecodeTask* const task = job.begin ? job.begin() : nullptr;
    if (task != nullptr && task->GoesOn()) {
      job.partition->is_stepping = true;
      running_.push_back({std::move(job), task, true, nullptr});
      return;
    }
  } catch (...) {
    error = std::current_exception();
  }
  if (job.closes) Close(job.partition.get());
  job.end(error);
}

// The last partition's session frees the llama_context, and then the thread ends.
void Scheduler::Close(Partition* partition) {
  partition->session.reset();
  const std::lock_guard<std::mutex> lock(mutex_);
  partitions_.erase(std::remove_if(partitions_.begin(), partitions_.end(),
                                   [&](const auto& other) { return other.get() == partition; }),
                    partitions_.end());
  ended_ = partitions_.empty();
}

// Runs one decode for all running tasks. An error of one task does not affect the others. Only a
// failed decode is an error of all of them.
void Scheduler::Step() {
  for (Running& running : running_) Attempt(&running, [](DecodeTask*) {});
  EndDone();
  if (running_.empty()) return;
  DecodeBatch();
  for (Running& running : running_) {
    if (running.goes_on) Attempt(&running, [](DecodeTask* task) { task->TakeRows(); });
  }
  EndDone();
}

template <typename Work>
void Scheduler::Attempt(Running* running, Work work) {
  try {
    work(running->task);
    running->goes_on = running->task->GoesOn();
  } catch (...) {
    running->error = std::current_exception();
    running->goes_on = false;
  }
}

void Scheduler::FillBatch() {
  Batch& batch = running_.front().task->decoder()->batch();
  batch.Clear();
  int32_t others = 0;
  for (const Running& running : running_) {
    if (running.task->AddsAllRows()) {
      running.task->AddRows(&batch, batch.room());
    } else {
      ++others;
    }
  }
  // The other tasks get equal parts of the room that is left. Then they may add more in the room
  // that some of them have not used. Each task has room for at least one row, because a batch holds
  // at least as many rows as there are sequences.
  int32_t waiting = others;
  for (const Running& running : running_) {
    if (running.task->AddsAllRows()) continue;
    const BatchRoom room = batch.room();
    running.task->AddRows(&batch, {room.tokens / waiting, room.outputs / waiting});
    --waiting;
  }
  if (others < 2) return;
  for (const Running& running : running_) {
    if (!running.task->AddsAllRows()) running.task->AddRows(&batch, batch.room());
  }
}

// This function must not throw: an exception on this thread would end the process.
void Scheduler::DecodeBatch() {
  int64_t elapsed = 0;
  try {
    FillBatch();
    decoders_.clear();
    for (const Running& running : running_) decoders_.push_back(running.task->decoder());
    const Stopwatch stopwatch(&elapsed);
    Decoder::DecodeTogether(decoders_);
  } catch (...) {
    for (Running& running : running_) {
      running.error = std::current_exception();
      running.goes_on = false;
    }
    return;
  }
  for (Decoder* decoder : decoders_) decoder->decode_counters.call_ns += elapsed;
}

void Scheduler::EndDone() {
  for (Running& running : running_) {
    if (running.goes_on) continue;
    running.job.partition->is_stepping = false;
    running.job.end(running.error);
  }
  running_.erase(std::remove_if(running_.begin(), running_.end(),
                                [](const Running& running) { return !running.goes_on; }),
                 running_.end());
}

}  // namespace llama_ets
