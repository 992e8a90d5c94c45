// Linear layers by a level of instructions and a pool of threads.
#pragma once
#include <memory>

#include "kernels.h"
#include "pool.h"

namespace weft {

struct FreeAligned {
  void operator()(uint8_t* bytes) const;
};
using AlignedBytes = std::unique_ptr<uint8_t[], FreeAligned>;

AlignedBytes aligned_bytes(size_t size);

class Engine {
 public:
  Engine(int num_threads, const Kernels& kernels) : pool_(num_threads), kernels_(kernels) {}

  // The output's rows are x W^T + b of the input's rows. Callers wait for each other.
  void linear(const Layer& layer, const Input& input, const Output& output);

  Pool& pool() { return pool_; }
  const Kernels& kernels() const { return kernels_; }

 private:
  struct Plan;

  uint8_t* scratch(size_t size);

  Pool pool_;
  const Kernels& kernels_;
  std::mutex mutex_;
  AlignedBytes scratch_;
  size_t scratch_bytes_ = 0;
};

}  // namespace weft
