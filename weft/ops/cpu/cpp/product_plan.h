// A linear layer's work, cut up for threads. Results do not depend on how.
#pragma once
#include "kernels.h"

namespace weft {

struct Product {
  Layer layer;
  Input input;
  Output output;

  // Multiplications.
  int64_t size() const { return static_cast<int64_t>(input.rows) * layer.inputs * layer.outputs; }
};

// Rows are prepared in tiles, part by part; then each chunk of blocks is multiplied with all tiles.
class ProductPlan {
 public:
  // Of at most `most_chunks` chunks.
  ProductPlan(const Kernels& kernels, const Product& product, int num_threads, int most_chunks);

  // Of the prepared rows, and where they are to lie.
  size_t num_bytes() const { return tile_bytes() * num_tiles_; }
  void place(uint8_t* bytes) { bytes_ = bytes; }

  const Product& product() const { return product_; }
  int num_parts() const;
  int num_chunks() const { return num_chunks_; }
  void prepare(int part) const;
  void multiply(int chunk) const;

 private:
  void cut_rows();
  void cut_blocks(int num_threads, int most_chunks);
  Tile tile(int index) const;
  int parts_of_tile() const;
  size_t tile_bytes() const { return values_bytes_ + scales_bytes_ + starts_bytes_; }

  const Kernels* kernels_;
  Product product_;
  int rows_of_tile_, num_tiles_, tiles_of_panel_, blocks_of_panel_, blocks_of_chunk_, num_chunks_;
  size_t values_bytes_, scales_bytes_, starts_bytes_;
  bool in_pairs_, in_matrices_;
  uint8_t* bytes_ = nullptr;
};

}  // namespace weft
