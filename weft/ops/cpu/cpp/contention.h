// When to leave other threads out: where somebody else wants the processors, a thread that loses its own in the middle
// of a chunk holds up everybody for milliseconds, and one thread alone is faster than several that wait.
#pragma once
#include <cstdint>

namespace weft {

class Contention {
 public:
  // Somebody who works for a moment now and then (the service's own event loop, its clients) costs less than leaving a
  // thread out. Somebody who never sleeps takes about half of the time.
  static constexpr int64_t kBorneShare = 4, kBorneNs = 2'000'000;
  // The first time may be chance, and costs about what was lost. One that follows soon after comes from somebody who
  // stays, and the next trial has to wait twice as long.
  static constexpr int64_t kShortestNs = 4'000'000, kLongestNs = 512'000'000, kSoonNs = 50'000'000;

  bool alone(int64_t now_ns) const { return now_ns < until_ns_; }

  // So much of the time just past was spent waiting for a thread that did not run. What is beyond a quarter adds up.
  void lost(int64_t now_ns, int64_t lost_ns) {
    const int64_t borne_ns = (now_ns - counted_ns_) / kBorneShare;
    owed_ns_ = (owed_ns_ > borne_ns ? owed_ns_ - borne_ns : 0) + lost_ns;
    counted_ns_ = now_ns;
    if (owed_ns_ > kBorneNs) leave_out(now_ns);
  }

 private:
  void leave_out(int64_t now_ns) {
    const bool soon = now_ns < until_ns_ + kSoonNs;
    const int64_t twice = 2 * lasts_ns_ < kLongestNs ? 2 * lasts_ns_ : kLongestNs;
    lasts_ns_ = soon ? twice : kShortestNs;
    until_ns_ = now_ns + lasts_ns_;
    owed_ns_ = 0;
  }

  int64_t lasts_ns_ = kShortestNs;
  int64_t until_ns_ = -kSoonNs;
  int64_t owed_ns_ = 0;
  int64_t counted_ns_ = 0;
};

}  // namespace weft
