#include "ceilings.h"

#include <chrono>
#include <cstring>
#include <stdexcept>

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

constexpr size_t kChunkBytes = 1 << 20;
constexpr int kChunks = 64;

// How long all threads take for `times` products each, cut into chunks that the rest can take over.
double timed(Engine& engine, int (*multiply)(int64_t), int64_t times, int64_t* operations) {
  const int64_t part = times / kChunks + 1;
  const auto begun = Clock::now();
  engine.pool().each(kChunks * engine.pool().num_threads(), [&](int) { multiply(part); });
  const double seconds = seconds_since(begun);
  *operations = part * kChunks * engine.pool().num_threads() * multiply(0);
  return seconds;
}

}  // namespace

double read_bandwidth(Engine& engine, size_t size) {
  const int num_chunks = static_cast<int>(size / kChunkBytes);
  const AlignedBytes bytes = aligned_bytes(num_chunks * kChunkBytes);
  engine.pool().each(num_chunks, [&](int chunk) { std::memset(&bytes[chunk * kChunkBytes], chunk, kChunkBytes); });
  const auto begun = Clock::now();
  engine.pool().each(num_chunks, [&](int chunk) {
    volatile uint64_t word = engine.kernels().read(&bytes[chunk * kChunkBytes], kChunkBytes);
    (void)word;
  });
  return static_cast<double>(num_chunks * kChunkBytes) / seconds_since(begun);
}

double peak(Engine& engine, const std::string& kind, double seconds) {
  const Kernels& kernels = engine.kernels();
  if (kind == "bfloat16" && !kernels.multiplies_bfloat16) return 0.0;
  const auto multiply = kind == "int8" ? kernels.multiply_integers
                        : kind == "bfloat16" ? kernels.multiply_pairs
                        : kind == "float32"  ? kernels.multiply_floats
                                             : nullptr;
  if (multiply == nullptr) throw std::invalid_argument("peaks are of int8, bfloat16 and float32");
  int64_t operations = 0;
  const int64_t trial = 1 << 16;
  timed(engine, multiply, trial, &operations);
  const double once = timed(engine, multiply, trial, &operations);
  const double taken = timed(engine, multiply, static_cast<int64_t>(trial * seconds / once) + 1, &operations);
  return static_cast<double>(operations) / taken;
}

}  // namespace weft
