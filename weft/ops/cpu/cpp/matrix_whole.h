// Products that AMX sums up over all inputs: of bfloat16, and of bytes with one scale per output.
#pragma once
#include "matrix_inputs.h"
#include "store.h"

namespace weft {
namespace {

struct alignas(kAlignment) Sums16 {
  int32_t at[kMatrixRows][kColumns];
};

struct OfMatrixPairs {
  static constexpr size_t kBefore = 0;
  static constexpr int kNumberBytes = 2;
  template <int Sum, int Inputs, int Weights> static inline void add() { add_pairs<Sum, Inputs, Weights>(); }
  static inline Floats result(const Layer&, const Tile&, int, int, const int32_t* sums) {
    return Isa::load_floats(reinterpret_cast<const float*>(sums));
  }
};

struct OfMatrixBytes {
  static constexpr size_t kBefore = kAlignment;  // scales
  static constexpr int kNumberBytes = 1;
  template <int Sum, int Inputs, int Weights> static inline void add() { add_unsigned<Sum, Inputs, Weights>(); }
  static inline Floats result(const Layer& layer, const Tile& tile, int row, int block, const int32_t* sums) {
    const Floats scale = Isa::load_halves(layer.blocks + static_cast<size_t>(block) * layer.block_bytes);
    const Floats factors = Isa::load_floats(layer.factors + block * kColumns);
    const Ints sum = Isa::add(Isa::load_bytes(reinterpret_cast<const uint8_t*>(sums)), Isa::splat(tile.starts[row]));
    const Floats total = Isa::fma(Isa::to_floats(sum), scale, Isa::zero());
    return Isa::mul(Isa::mul(total, Isa::splat_float(tile.scales[row])), factors);
  }
};

template <class Of, int Which>
void give(const Layer& layer, const Tile& tile, const Part& part, int block, const Output& output) {
  Sums16 sums;
  save<Which>(&sums);
  for (int row = 0; row < part.rows; ++row) {
    const int of_tile = part.first_row + row;
    store(layer, Of::result(layer, tile, of_tile, block, sums.at[row]), tile.first_row + of_tile, block, output);
  }
}

template <class Of, int Parts, int Blocks>
__attribute__((noinline)) void multiply_whole(
    const Layer& layer, const Tile& tile, const Part& first, const Part& second, int block, const Output& output) {
  const size_t step_bytes = step_bytes_of(layer), weight_bytes = step_bytes / 4 * kLineBytes;
  const size_t next_first = first.rows * step_bytes, next_second = second.rows * step_bytes;
  const uint8_t* weights = layer.blocks + static_cast<size_t>(block) * layer.block_bytes + Of::kBefore;
  const uint8_t *of_first = first.inputs, *of_second = second.inputs;
  clear<0>();
  if constexpr (Blocks == 2) clear<1>();
  if constexpr (Parts == 2) clear<2>();
  if constexpr (Parts == 2 && Blocks == 2) clear<3>();
  for (size_t at = 0; at < row_bytes_of(layer); at += step_bytes) {
    load<kInputs>(of_first, step_bytes);
    load<kWeights>(weights, kLineBytes);
    Of::template add<0, kInputs, kWeights>();
    if constexpr (Blocks == 2) {
      load<kWeights + 1>(weights + layer.block_bytes, kLineBytes);
      Of::template add<1, kInputs, kWeights + 1>();
    }
    if constexpr (Parts == 2) {
      load<kInputs + 1>(of_second, step_bytes);
      Of::template add<2, kInputs + 1, kWeights>();
      if constexpr (Blocks == 2) Of::template add<3, kInputs + 1, kWeights + 1>();
    }
    weights += weight_bytes;
    of_first += next_first;
    of_second += next_second;
  }
  give<Of, 0>(layer, tile, first, block, output);
  if constexpr (Blocks == 2) give<Of, 1>(layer, tile, first, block + 1, output);
  if constexpr (Parts == 2) give<Of, 2>(layer, tile, second, block, output);
  if constexpr (Parts == 2 && Blocks == 2) give<Of, 3>(layer, tile, second, block + 1, output);
}

template <class Of, int Parts>
void multiply_parts(
    const Layer& layer, const Tile& tile, const Part& first, const Part& second, int block, int end,
    const Output& output) {
  const MatrixRegisters registers({first.rows, second.rows}, step_bytes_of(layer));
  for (; block + 2 <= end; block += 2) multiply_whole<Of, Parts, 2>(layer, tile, first, second, block, output);
  if (block < end) multiply_whole<Of, Parts, 1>(layer, tile, first, second, block, output);
}

template <class Of>
void multiply_matrix(const Layer& layer, const Tile& tile, int block, int end, const Output& output) {
  for (int row = 0; row < tile.rows; row += 2 * kMatrixRows) {
    const Part first = part_of(layer, tile, row);
    if (row + kMatrixRows < tile.rows)
      multiply_parts<Of, 2>(layer, tile, first, part_of(layer, tile, row + kMatrixRows), block, end, output);
    else
      multiply_parts<Of, 1>(layer, tile, first, {first.inputs, 0, 0}, block, end, output);
  }
}

}  // namespace
}  // namespace weft
