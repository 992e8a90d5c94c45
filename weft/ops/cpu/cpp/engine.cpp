#include "engine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "work.h"

namespace weft {
namespace {

// Products below which waking other threads costs more than they save.
constexpr int64_t kSmallProduct = 1 << 17;
// Rows that the caller prepares alone.
constexpr int kFewRows = 8;
// From so many bytes of prepared rows on, further products have to wait.
constexpr size_t kMostBytes = 64 << 20;

// Memory of that size is asked for in pages of that size, as packed weights are.
constexpr size_t kHugePageBytes = 2 << 20;

}  // namespace

void FreeAligned::operator()(uint8_t* bytes) const { std::free(bytes); }

AlignedBytes aligned_bytes(size_t size) {
  const bool is_large = size >= kHugePageBytes;
  const size_t alignment = is_large ? kHugePageBytes : kAlignment;
  const size_t whole = (size + alignment - 1) / alignment * alignment;
  void* bytes = std::aligned_alloc(alignment, whole);
  if (bytes == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (is_large) madvise(bytes, whole, MADV_HUGEPAGE);  // where the kernel has none, small ones do
#endif
  return AlignedBytes(static_cast<uint8_t*>(bytes));
}

uint8_t* Engine::scratch(size_t size) {
  if (size > scratch_bytes_) {
    scratch_.reset();
    scratch_bytes_ = 0;
    scratch_ = aligned_bytes(size);
    scratch_bytes_ = size;
  }
  return scratch_.get();
}

void Engine::linears(const Product* products, size_t count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Product *next = products, *end = products + count; next != end;) {
    next = plan(next, end);
    compute();
  }
}

// As many as have room at once. Returns the first that is left.
const Product* Engine::plan(const Product* next, const Product* end) {
  const int most_chunks = std::max<int>(1, Pool::kMostChunks / static_cast<int>(end - next));
  size_t bytes = 0;
  plans_.clear();
  for (; next != end && bytes < kMostBytes; ++next) {
    if (next->size() == 0) continue;
    plans_.emplace_back(kernels_, *next, pool_.num_threads(), most_chunks);
    bytes += plans_.back().num_bytes();
  }
  uint8_t* at = scratch(bytes);
  for (ProductPlan& plan : plans_) {
    plan.place(at);
    at += plan.num_bytes();
  }
  return next;
}

void Engine::compute() {
  int rows = 0;
  int64_t size = 0;
  parts_.clear();
  chunks_.clear();
  for (const ProductPlan& plan : plans_) {
    rows += plan.product().input.rows;
    size += plan.product().size();
    for (int part = 0; part < plan.num_parts(); ++part) parts_.push_back({&plan, part});
    for (int chunk = 0; chunk < plan.num_chunks(); ++chunk) chunks_.push_back({&plan, chunk});
  }
  each(pool_, static_cast<int>(parts_.size()), rows <= kFewRows, [this](int index) {
    parts_[index].plan->prepare(parts_[index].index);
  });
  each(pool_, static_cast<int>(chunks_.size()), size < kSmallProduct, [this](int index) {
    chunks_[index].plan->multiply(chunks_[index].index);
  });
}

}  // namespace weft
