#include "engine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace weft {
namespace {

// Prepared rows that stay in the second cache of a core while blocks of weights pass by.
constexpr size_t kPanelBytes = 256 << 10;
// Products below which waking other threads costs more than they save.
constexpr int64_t kSmallProduct = 1 << 17;
// Rows that the caller prepares alone.
constexpr int kFewRows = 8;
// Fewer rows of matrices take as long.
constexpr int kFullRows = 32;
// Chunks that a thread has to take at least, so that a late one can be helped.
constexpr int kChunksOfThread = 8;

// Memory of that size is asked for in pages of that size, as packed weights are.
constexpr size_t kHugePageBytes = 2 << 20;

int ceil_div(int a, int b) { return (a + b - 1) / b; }

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

// Where tiles lie and how the work is cut up; results do not depend on it.
struct Engine::Plan {
  Plan(const Kernels& kernels, const Layer& layer, const Input& input, int num_threads)
      : num_rows(input.rows) {
    // Tiles are as equal as they can be: two of five and four rows take less than one of eight and one of one.
    const int of_matrices = kernels.rows_of_matrices == nullptr ? 0 : kernels.rows_of_matrices(layer, input);
    in_matrices = of_matrices > 0;
    num_tiles = ceil_div(input.rows, in_matrices ? of_matrices : kernels.rows_of_tile);
    rows_of_tile = ceil_div(input.rows, num_tiles);
    if (in_matrices && num_tiles > 1) rows_of_tile = ceil_div(rows_of_tile, kFullRows) * kFullRows;
    num_tiles = ceil_div(input.rows, rows_of_tile);
    in_pairs = (layer.format == Format::bfloat16 || is_mixed(layer.format)) && input.number == Number::bfloat16 &&
               kernels.multiplies_bfloat16;
    const size_t number_bytes = is_narrow(layer.format) ? 1 : in_pairs ? 2 : 4;
    const size_t starts = static_cast<size_t>(layer.num_groups()) * rows_of_tile * sizeof(int32_t);
    values_bytes = aligned(number_bytes * layer.inputs * rows_of_tile);
    starts_bytes = is_narrow(layer.format) ? aligned(starts) : 0;
    scales_bytes = aligned(rows_of_tile * sizeof(float));
    tiles_of_panel = std::max<int>(1, kPanelBytes / values_bytes);
    // Four blocks are taken at once for one row, so chunks are made of fours where there are enough.
    const int fair = ceil_div(layer.num_blocks(), kChunksOfThread * num_threads);
    const int least = ceil_div(layer.num_blocks(), Pool::kMostChunks);
    blocks_of_chunk = std::max(least, fair < 4 ? fair : 4);
    num_chunks = ceil_div(layer.num_blocks(), blocks_of_chunk);
    // Blocks that stay in the first cache of a core while a panel's tiles pass by.
    blocks_of_panel = num_tiles == 1 ? blocks_of_chunk : 2;
  }

  size_t tile_bytes() const { return values_bytes + scales_bytes + starts_bytes; }
  size_t all_bytes() const { return tile_bytes() * num_tiles; }

  Tile tile(int index) const {
    uint8_t* at = bytes + tile_bytes() * index;
    const int first = index * rows_of_tile;
    auto* scales = reinterpret_cast<float*>(at + values_bytes);
    auto* starts = reinterpret_cast<int32_t*>(at + values_bytes + scales_bytes);
    return {at, scales, starts, first, std::min(rows_of_tile, num_rows - first), in_pairs, in_matrices};
  }

  int rows_of_tile, num_rows, num_tiles, tiles_of_panel, blocks_of_panel, blocks_of_chunk, num_chunks;
  size_t values_bytes, scales_bytes, starts_bytes;
  bool in_pairs, in_matrices;
  uint8_t* bytes = nullptr;
};

uint8_t* Engine::scratch(size_t size) {
  if (size > scratch_bytes_) {
    scratch_.reset();
    scratch_bytes_ = 0;
    scratch_ = aligned_bytes(size);
    scratch_bytes_ = size;
  }
  return scratch_.get();
}

void Engine::linear(const Layer& layer, const Input& input, const Output& output) {
  if (input.rows == 0 || layer.outputs == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  Plan plan(kernels_, layer, input, pool_.num_threads());
  plan.bytes = scratch(plan.all_bytes());
  const int parts_of_tile = ceil_div(plan.rows_of_tile, kFewRows);
  const auto prepare = [&](int part) {
    const Tile tile = plan.tile(part / parts_of_tile);
    const int first = part % parts_of_tile * kFewRows;
    kernels_.prepare(layer, input, tile, first, std::min(first + kFewRows, tile.rows));
  };
  const auto multiply = [&](int chunk) {
    const int first = chunk * plan.blocks_of_chunk;
    const int end = std::min(first + plan.blocks_of_chunk, layer.num_blocks());
    for (int panel = 0; panel < plan.num_tiles; panel += plan.tiles_of_panel)
      for (int block = first; block < end; block += plan.blocks_of_panel)
        for (int tile = panel; tile < std::min(panel + plan.tiles_of_panel, plan.num_tiles); ++tile)
          kernels_.multiply(
              layer, plan.tile(tile), block, std::min(plan.blocks_of_panel, end - block), output, tile == 0);
  };
  const bool is_small = static_cast<int64_t>(input.rows) * layer.inputs * layer.outputs < kSmallProduct;
  const auto alone = [](int count, const auto& function) {
    for (int i = 0; i < count; ++i) function(i);
  };
  if (input.rows <= kFewRows) alone(plan.num_tiles * parts_of_tile, prepare);
  else pool_.each(plan.num_tiles * parts_of_tile, prepare);
  if (is_small) alone(plan.num_chunks, multiply);
  else pool_.each(plan.num_chunks, multiply);
}

}  // namespace weft
