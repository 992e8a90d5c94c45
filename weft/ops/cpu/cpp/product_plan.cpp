#include "product_plan.h"

#include <algorithm>

namespace weft {
namespace {

// Prepared rows that stay in the second cache of a core while blocks of weights pass by.
constexpr size_t kPanelBytes = 256 << 10;
// Rows that are prepared together.
constexpr int kRowsOfPart = 8;
// Fewer rows of matrices take as long.
constexpr int kFullRows = 32;
// Chunks that a thread has to take at least, so that a late one can be helped.
constexpr int kChunksOfThread = 8;

int ceil_div(int a, int b) { return (a + b - 1) / b; }

}  // namespace

ProductPlan::ProductPlan(const Kernels& kernels, const Product& product, int num_threads, int most_chunks)
    : kernels_(&kernels), product_(product) {
  const Format format = product.layer.format;
  in_pairs_ = (format == Format::bfloat16 || is_mixed(format)) && product.input.number == Number::bfloat16 &&
              kernels.multiplies_bfloat16;
  cut_rows();
  cut_blocks(num_threads, most_chunks);
}

// Tiles are as equal as they can be: two of five and four rows take less than one of eight and one of one.
void ProductPlan::cut_rows() {
  const Layer& layer = product_.layer;
  const int rows = product_.input.rows;
  const int of_matrices = kernels_->rows_of_matrices == nullptr ? 0 : kernels_->rows_of_matrices(layer, product_.input);
  in_matrices_ = of_matrices > 0;
  num_tiles_ = ceil_div(rows, in_matrices_ ? of_matrices : kernels_->rows_of_tile);
  rows_of_tile_ = ceil_div(rows, num_tiles_);
  if (in_matrices_ && num_tiles_ > 1) rows_of_tile_ = ceil_div(rows_of_tile_, kFullRows) * kFullRows;
  num_tiles_ = ceil_div(rows, rows_of_tile_);
  const size_t number_bytes = is_narrow(layer.format) ? 1 : in_pairs_ ? 2 : 4;
  const size_t starts = static_cast<size_t>(layer.num_sums()) * rows_of_tile_ * sizeof(int32_t);
  values_bytes_ = aligned(number_bytes * layer.inputs * rows_of_tile_);
  starts_bytes_ = is_narrow(layer.format) ? aligned(starts) : 0;
  scales_bytes_ = aligned(rows_of_tile_ * sizeof(float));
  tiles_of_panel_ = std::max<int>(1, kPanelBytes / values_bytes_);
}

void ProductPlan::cut_blocks(int num_threads, int most_chunks) {
  const int blocks = product_.layer.num_blocks();
  // Four blocks are taken at once for one row, so chunks are made of fours where there are enough.
  const int fair = ceil_div(blocks, kChunksOfThread * num_threads);
  blocks_of_chunk_ = std::max(ceil_div(blocks, most_chunks), fair < 4 ? fair : 4);
  num_chunks_ = ceil_div(blocks, blocks_of_chunk_);
  // Blocks that stay in the first cache of a core while a panel's tiles pass by.
  blocks_of_panel_ = num_tiles_ == 1 ? blocks_of_chunk_ : 2;
}

Tile ProductPlan::tile(int index) const {
  uint8_t* at = bytes_ + tile_bytes() * index;
  const int first = index * rows_of_tile_;
  auto* scales = reinterpret_cast<float*>(at + values_bytes_);
  auto* starts = reinterpret_cast<int32_t*>(at + values_bytes_ + scales_bytes_);
  const int rows = std::min(rows_of_tile_, product_.input.rows - first);
  return {at, scales, starts, first, rows, in_pairs_, in_matrices_};
}

int ProductPlan::parts_of_tile() const { return ceil_div(rows_of_tile_, kRowsOfPart); }

int ProductPlan::num_parts() const { return num_tiles_ * parts_of_tile(); }

void ProductPlan::prepare(int part) const {
  const Tile of = tile(part / parts_of_tile());
  const int first = part % parts_of_tile() * kRowsOfPart;
  kernels_->prepare(product_.layer, product_.input, of, first, std::min(first + kRowsOfPart, of.rows));
}

void ProductPlan::multiply(int chunk) const {
  const Layer& layer = product_.layer;
  const int first = chunk * blocks_of_chunk_, end = std::min(first + blocks_of_chunk_, layer.num_blocks());
  for (int panel = 0; panel < num_tiles_; panel += tiles_of_panel_)
    for (int block = first; block < end; block += blocks_of_panel_)
      for (int index = panel; index < std::min(panel + tiles_of_panel_, num_tiles_); ++index)
        kernels_->multiply(
            layer, tile(index), block, std::min(blocks_of_panel_, end - block), product_.output, index == 0);
}

}  // namespace weft
