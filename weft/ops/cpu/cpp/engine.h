// Linear layers by a level of instructions and a pool of threads.
#pragma once
#include <memory>
#include <vector>

#include "pool.h"
#include "product_plan.h"

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
  void linear(const Product& product) { linears(&product, 1); }
  // The same of several that do not need each other's results, side by side.
  void linears(const Product* products, size_t count);

  Pool& pool() { return pool_; }
  const Kernels& kernels() const { return kernels_; }

 private:
  // One of a plan's parts or chunks.
  struct Piece {
    const ProductPlan* plan;
    int index;
  };

  const Product* plan(const Product* next, const Product* end);
  void compute();
  uint8_t* scratch(size_t size);

  Pool pool_;
  const Kernels& kernels_;
  std::mutex mutex_;
  std::vector<ProductPlan> plans_;
  std::vector<Piece> parts_, chunks_;
  AlignedBytes scratch_;
  size_t scratch_bytes_ = 0;
};

}  // namespace weft
