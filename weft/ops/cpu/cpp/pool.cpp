#include "pool.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace weft {
namespace {

// Longer than a step's operations between two jobs take, since to wake a thread takes as long (some 65 cycles each on
// Zen 4). Where somebody else wants the processor there are no jobs to wait for.
constexpr int kPauses = 2000;
// A thread that is so late does not run; in chunks of the mean length, and at least.
constexpr int kLateChunks = 3;
constexpr int64_t kLateNs = 200'000;
// How often the caller looks whether it lost its own processor, and after what break it knows nothing.
constexpr int64_t kLookNs = 1'000'000;
constexpr int64_t kBreakNs = 20'000'000;

// A fork has no threads but the one that forked, and the others may have left a condition variable half changed.
std::atomic<int> forks{0};

int count_forks() {
  static const int watched = pthread_atfork(nullptr, nullptr, [] { ++forks; });
  (void)watched;
  return forks;
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

#ifdef RUSAGE_THREAD
int64_t nanoseconds(const timeval& time) { return time.tv_sec * 1'000'000'000LL + time.tv_usec * 1'000LL; }
#endif

uint64_t packed(uint32_t job, int front, int end) {
  return static_cast<uint64_t>(job) << 32 | static_cast<uint64_t>(end) << 16 | static_cast<uint64_t>(front);
}

}  // namespace

Pool::Pool(int num_threads)
    : num_threads_(std::max(1, num_threads)), ranges_(new Range[num_threads_]), counts_(new Count[num_threads_]),
      forks_(count_forks()) {
  for (int thread = 1; thread < num_threads_; ++thread) threads_.emplace_back([this, thread] { work(thread); });
}

Pool::~Pool() {
  if (forks != forks_) {
    for (std::thread& thread : threads_) thread.detach();
    wake_.release();  // its end would wait for threads that are not there
    return;
  }
  ends_ = true;
  {
    std::lock_guard<std::mutex> lock(sleep_mutex_);
    ++job_;
  }
  wake_->notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::run(int num_chunks, Chunk chunk, const void* context) {
  if (num_chunks > kMostChunks) throw std::invalid_argument("a job has too many chunks");
  std::unique_lock<std::mutex> lock(run_mutex_, std::try_to_lock);
  if (!lock.owns_lock() || num_threads_ == 1 || num_chunks < 2 || forks != forks_) {
    for (int i = 0; i < num_chunks; ++i) chunk(context, i);
    return;
  }
  const int64_t begun_ns = now_ns();
  if (contention_.alone(begun_ns)) {
    for (int i = 0; i < num_chunks; ++i) chunk(context, i);
    return;
  }
  publish(num_chunks, chunk, context);
  compute(0, job_.load(std::memory_order_relaxed));
  wait(begun_ns, num_chunks);
}

void Pool::wait(int64_t begun_ns, int num_chunks) {
  const int64_t ended_ns = now_ns();
  const int64_t late_ns = std::max(kLateNs, (ended_ns - begun_ns) * num_threads_ * kLateChunks / num_chunks);
  for (int i = 0; num_done() < num_asked_; ++i) i < kPauses ? pause() : std::this_thread::yield();
  const int64_t done_ns = now_ns(), waited_ns = done_ns - ended_ns;
  longest_ns_ = std::max(longest_ns_, done_ns - begun_ns);
  const int64_t lost_ns = (waited_ns > late_ns ? waited_ns : 0) + lost_by_caller(done_ns);
  if (lost_ns > 0) contention_.lost(done_ns, lost_ns);
}

// For how long the system gave the caller's processor to somebody else during jobs, since this was last looked at. What
// the caller was off its processor between jobs, for reasons of its own, does not count: no job lasted so long.
int64_t Pool::lost_by_caller(int64_t now_ns) {
#ifdef RUSAGE_THREAD
  if (now_ns - looked_ns_ < kLookNs) return 0;
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  const int64_t cpu_ns = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
  const int64_t off_ns = now_ns - looked_ns_ - (cpu_ns - looked_cpu_ns_);
  const bool counts = usage.ru_nivcsw != times_lost_ && now_ns - looked_ns_ < kBreakNs;
  const int64_t lost_ns = counts ? std::clamp<int64_t>(off_ns, 0, longest_ns_) : 0;
  looked_ns_ = now_ns, looked_cpu_ns_ = cpu_ns, times_lost_ = usage.ru_nivcsw, longest_ns_ = 0;
  return lost_ns;
#else
  (void)now_ns;
  return 0;
#endif
}

void Pool::publish(int num_chunks, Chunk chunk, const void* context) {
  const uint32_t job = job_.load(std::memory_order_relaxed) + 1;
  num_asked_ += static_cast<uint64_t>(num_chunks);
  chunk_.store(chunk, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  for (int thread = 0; thread < num_threads_; ++thread) {
    const int64_t front = static_cast<int64_t>(num_chunks) * thread / num_threads_;
    const int64_t end = static_cast<int64_t>(num_chunks) * (thread + 1) / num_threads_;
    ranges_[thread].left.store(
        packed(job, static_cast<int>(front), static_cast<int>(end)), std::memory_order_release);
  }
  // In one order with the sleepers' own look at the job: either they see it, or we see them.
  job_.store(job, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) {
    { std::lock_guard<std::mutex> lock(sleep_mutex_); }
    wake_->notify_all();
  }
}

// A chunk that is taken belongs to a job that is not done, so what was read of the job before is still its own.
bool Pool::take(Range& range, uint32_t job, bool from_front, int* chunk) {
  uint64_t left = range.left.load(std::memory_order_acquire);
  while (true) {
    const int front = static_cast<int>(left & 0xffff), end = static_cast<int>(left >> 16 & 0xffff);
    if (static_cast<uint32_t>(left >> 32) != job || front >= end) return false;
    const uint64_t next = from_front ? packed(job, front + 1, end) : packed(job, front, end - 1);
    if (range.left.compare_exchange_weak(left, next, std::memory_order_acq_rel, std::memory_order_acquire)) {
      *chunk = from_front ? front : end - 1;
      return true;
    }
  }
}

void Pool::compute(int thread, uint32_t job) {
  const Chunk function = chunk_.load(std::memory_order_relaxed);
  const void* const context = context_.load(std::memory_order_relaxed);
  std::atomic<uint64_t>& done = counts_[thread].done;
  int chunk;
  for (int other = 0; other < num_threads_; ++other) {
    Range& range = ranges_[(thread + other) % num_threads_];
    while (take(range, job, other == 0, &chunk)) {
      function(context, chunk);
      done.store(done.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
  }
}

uint64_t Pool::num_done() const {
  uint64_t sum = 0;
  for (int thread = 0; thread < num_threads_; ++thread) sum += counts_[thread].done.load(std::memory_order_acquire);
  return sum;
}

bool Pool::wait_for_job(uint32_t seen) {
  for (int i = 0; i < kPauses; ++i) {
    if (job_.load(std::memory_order_acquire) != seen) return !ends_;
    pause();
  }
  std::unique_lock<std::mutex> lock(sleep_mutex_);
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  wake_->wait(lock, [&] { return job_.load(std::memory_order_seq_cst) != seen; });
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  return !ends_;
}

void Pool::work(int thread) {
  uint32_t seen = 0;
  while (wait_for_job(seen)) {
    seen = job_.load(std::memory_order_acquire);
    compute(thread, seen);
  }
}

}  // namespace weft
