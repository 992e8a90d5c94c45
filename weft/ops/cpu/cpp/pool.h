// A pool of threads for jobs of many chunks, which never waits for a thread that does not run.
//
// Each thread owns a run of consecutive chunks and takes them from the front; who is done takes from the end of
// others' runs. So data that a thread touched stays with it, and threads share no counter until the end of a job. The
// caller takes part, and waits only for chunks that others have already taken: where the system gives a thread's
// processor to somebody else, the rest do its work. Where that happens, the caller computes alone for a while.
//
// A chunk is taken by comparing and exchanging a word that holds the number of the job, so a thread that comes late
// takes nothing of a job that it does not know.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "contention.h"

namespace weft {

class Pool {
 public:
  using Chunk = void (*)(const void* context, int chunk);
  static constexpr int kMostChunks = 65535;

  // The caller of `run` is one of the threads.
  explicit Pool(int num_threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int num_threads() const { return num_threads_; }

  // Compute each chunk once; returns when all are done. One job at a time: a second caller computes its own alone.
  void run(int num_chunks, Chunk chunk, const void* context);

  template <class Function>
  void each(int num_chunks, const Function& function) {
    run(num_chunks, [](const void* context, int chunk) { (*static_cast<const Function*>(context))(chunk); }, &function);
  }

 private:
  // What is left of a thread's run: number of the job, end, front. A cache line each.
  struct alignas(128) Range {
    std::atomic<uint64_t> left{0};
  };
  // How many chunks a thread has computed, of all jobs so far.
  struct alignas(128) Count {
    std::atomic<uint64_t> done{0};
  };

  void work(int thread);
  void compute(int thread, uint32_t job);
  bool take(Range& range, uint32_t job, bool from_front, int* chunk);
  bool wait_for_job(uint32_t seen);
  void publish(int num_chunks, Chunk chunk, const void* context);
  uint64_t num_done() const;
  void wait(int64_t begun_ns, int num_chunks);
  int64_t lost_by_caller(int64_t now_ns);

  const int num_threads_;
  std::unique_ptr<Range[]> ranges_;
  std::unique_ptr<Count[]> counts_;
  alignas(128) std::atomic<uint32_t> job_{0};
  std::atomic<Chunk> chunk_{nullptr};
  std::atomic<const void*> context_{nullptr};
  std::atomic<bool> ends_{false};
  uint64_t num_asked_ = 0;
  Contention contention_;
  int64_t looked_ns_ = 0, looked_cpu_ns_ = 0, longest_ns_ = 0;
  long times_lost_ = 0;
  alignas(128) std::atomic<int> sleepers_{0};
  std::mutex sleep_mutex_, run_mutex_;
  std::unique_ptr<std::condition_variable> wake_{new std::condition_variable};
  std::vector<std::thread> threads_;
  const int forks_;  // of this process and those before it, when the threads began
};

}  // namespace weft
