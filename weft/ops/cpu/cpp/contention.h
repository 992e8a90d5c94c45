// When to leave other threads out: where somebody else wants the processors, a thread that loses its own in the middle
// of a chunk holds up everybody for milliseconds, and one thread alone is faster than several that wait.
#pragma once
#include <cstdint>

namespace weft {

class Contention {
 public:
  // A first stall may be chance, and costs as much as the stall. One that follows soon after comes from somebody who
  // stays, and the next trial has to wait twice as long.
  static constexpr int64_t kShortestNs = 4'000'000, kLongestNs = 512'000'000, kSoonNs = 50'000'000;

  bool alone(int64_t now_ns) const { return now_ns < until_ns_; }

  void stalled(int64_t now_ns) {
    const bool soon = now_ns < until_ns_ + kSoonNs;
    const int64_t twice = 2 * lasts_ns_ < kLongestNs ? 2 * lasts_ns_ : kLongestNs;
    lasts_ns_ = soon ? twice : kShortestNs;
    until_ns_ = now_ns + lasts_ns_;
  }

 private:
  int64_t lasts_ns_ = kShortestNs;
  int64_t until_ns_ = -kSoonNs;
};

}  // namespace weft
