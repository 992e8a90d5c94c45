// Pieces of an operation, on all threads or, where that costs more than it saves, on the caller's.
#pragma once
#include <algorithm>

#include "pool.h"
#include "step_kernels.h"

namespace weft {

// Numbers of rows below which waking other threads costs more than they save, and those of a chunk.
constexpr int64_t kFewNumbers = 1 << 14, kChunkNumbers = 1 << 12;

template <class Function>
void each(Pool& pool, int count, bool is_small, const Function& function) {
  const int together = (count + Pool::kMostChunks - 1) / Pool::kMostChunks;
  if (is_small || together == 0) {
    for (int i = 0; i < count; ++i) function(i);
    return;
  }
  pool.each((count + together - 1) / together, [&](int chunk) {
    const int end = std::min(count, (chunk + 1) * together);
    for (int i = chunk * together; i < end; ++i) function(i);
  });
}

// Of rows `first` to `end`.
template <class Function>
void by_rows(Pool& pool, const Rows& rows, const Function& function) {
  const int64_t numbers = static_cast<int64_t>(rows.parts) * rows.width;
  const int together = static_cast<int>(std::max<int64_t>(1, kChunkNumbers / std::max<int64_t>(1, numbers)));
  each(pool, (rows.count + together - 1) / together, rows.count * numbers < kFewNumbers, [&](int chunk) {
    function(chunk * together, std::min(rows.count, (chunk + 1) * together));
  });
}

}  // namespace weft
