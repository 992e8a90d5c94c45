// Products that AMX sums up over all inputs: of bfloat16, and of bytes with one scale per output.
#pragma once
#include "matrix_inputs.h"
#include "store.h"

namespace weft {
namespace {

// What a register of sums holds: of integers, or of floats.
struct alignas(kAlignment) Sums16 {
  int32_t at[kMatrixRows][kColumns];
};

// Where a block's results go. Columns of which all exist, in vectors; the others as all kernels do it. By value, since
// what is written might be what a reference is to.
class Results {
 public:
  Results(const Layer& layer, int block, const Output& output)
      : layer_(layer), output_(output), block_(block), is_whole_(layer.outputs - block * kColumns >= kColumns),
        has_bias_(layer.bias != nullptr), bias_(Isa::zero()) {
    if (is_whole_ && has_bias_) bias_ = Isa::load_floats(layer.bias + block * kColumns);
  }
  __attribute__((always_inline)) inline void give(Floats result, int row) const {
    if (!is_whole_) return store(layer_, result, row, block_, output_);
    if (has_bias_) result = Isa::sum(result, bias_);
    const size_t at = static_cast<size_t>(row) * output_.width + block_ * kColumns;
    if (output_.number == Number::rounded) result = Isa::rounded_to_bfloat16(result);
    if (output_.number != Number::bfloat16) _mm512_storeu_ps(static_cast<float*>(output_.values) + at, result);
    else Isa::store_bfloat16(static_cast<uint16_t*>(output_.values) + at, result);
  }

 private:
  const Layer layer_;
  const Output output_;
  const int block_;
  const bool is_whole_, has_bias_;
  Floats bias_;
};

struct OfMatrixPairs {
  static constexpr size_t kBefore = 0;
  static constexpr int kNumberBytes = 2;
  template <int Sum, int Inputs, int Weights> static inline void add() { add_pairs<Sum, Inputs, Weights>(); }

  OfMatrixPairs(const Layer&, const Tile&, int) {}
  inline Floats result(const int32_t* sums, int) const {
    return Isa::load_floats(reinterpret_cast<const float*>(sums));
  }
};

// Bytes with sign.
struct OfMatrixSigned {
  template <int Sum, int Inputs, int Weights> static inline void add() { add_signed<Sum, Inputs, Weights>(); }
};

struct OfMatrixBytes {
  static constexpr size_t kBefore = kAlignment;  // scales
  static constexpr int kNumberBytes = 1;
  template <int Sum, int Inputs, int Weights> static inline void add() { add_unsigned<Sum, Inputs, Weights>(); }

  OfMatrixBytes(const Layer& layer, const Tile& tile, int block)
      : tile(tile), scale(Isa::load_halves(layer.blocks + static_cast<size_t>(block) * layer.block_bytes)),
        factors(Isa::load_floats(layer.factors + block * kColumns)) {}
  inline Floats result(const int32_t* sums, int row) const {
    const Ints sum = Isa::add(Isa::load_bytes(reinterpret_cast<const uint8_t*>(sums)), Isa::splat(tile.starts[row]));
    const Floats total = Isa::fma(Isa::to_floats(sum), scale, Isa::zero());
    return Isa::mul(Isa::mul(total, Isa::splat_float(tile.scales[row])), factors);
  }
  const Tile& tile;
  const Floats scale, factors;
};

// Two parts of a tile (or one, then the second has no rows) and two blocks (or one).
struct Square {
  Part parts[2];
  const uint8_t* weights;
  size_t row_bytes, step_bytes, block_bytes;
};

// Of few rows, products wait for weights from memory, and the processor itself fetches ahead no further than to the
// end of a page.
constexpr size_t kWeightsAhead = 4096;

inline void ask_ahead(const uint8_t* weights) {
  for (size_t line = 0; line < kMatrixRows * kLineBytes; line += kLineBytes)
    __builtin_prefetch(weights + kWeightsAhead + line, 0, 3);
}

// `sums`: [parts][2].
template <class Of, int Parts, int Blocks>
__attribute__((noinline)) void multiply_square(const Square& square, Sums16* sums) {
  const size_t step_bytes = square.step_bytes, block_bytes = square.block_bytes;
  const size_t next_first = square.parts[0].rows * step_bytes, next_second = square.parts[1].rows * step_bytes;
  const uint8_t *weights = square.weights, *first = square.parts[0].inputs, *second = square.parts[1].inputs;
  clear<0>();
  if constexpr (Blocks == 2) clear<1>();
  if constexpr (Parts == 2) clear<2>();
  if constexpr (Parts == 2 && Blocks == 2) clear<3>();
  for (size_t left = square.row_bytes; left > 0; left -= step_bytes) {
    if constexpr (Parts == 1) {
      ask_ahead(weights);
      if constexpr (Blocks == 2) ask_ahead(weights + block_bytes);
    }
    load<kInputs>(first, step_bytes);
    load<kWeights>(weights, kLineBytes);
    Of::template add<0, kInputs, kWeights>();
    if constexpr (Blocks == 2) {
      load<kWeights + 1>(weights + block_bytes, kLineBytes);
      Of::template add<1, kInputs, kWeights + 1>();
    }
    if constexpr (Parts == 2) {
      load<kInputs + 1>(second, step_bytes);
      Of::template add<2, kInputs + 1, kWeights>();
      if constexpr (Blocks == 2) Of::template add<3, kInputs + 1, kWeights + 1>();
    }
    weights += step_bytes / 4 * kLineBytes;
    first += next_first;
    second += next_second;
  }
  save<0>(sums);
  if constexpr (Blocks == 2) save<1>(sums + 1);
  if constexpr (Parts == 2) save<2>(sums + 2);
  if constexpr (Parts == 2 && Blocks == 2) save<3>(sums + 3);
}

template <class Of>
void give(
    const Layer& layer, const Tile& tile, const Part& part, int block, const Output& output, const Sums16& sums) {
  const Of of(layer, tile, block);
  const Results results(layer, block, output);
  for (int row = part.first_row; row < part.first_row + part.rows; ++row)
    results.give(of.result(sums.at[row - part.first_row], row), tile.first_row + row);
}

template <class Of, int Parts, int Blocks>
void multiply_together(
    const Layer& layer, const Tile& tile, const Part (&parts)[2], int block, const Output& output) {
  Sums16 sums[4];
  const uint8_t* weights = layer.blocks + static_cast<size_t>(block) * layer.block_bytes + Of::kBefore;
  multiply_square<Of, Parts, Blocks>(
      {{parts[0], parts[1]}, weights, row_bytes_of(layer), step_bytes_of(layer), layer.block_bytes}, sums);
  for (int part = 0; part < Parts; ++part)
    for (int i = 0; i < Blocks; ++i)
      give<Of>(layer, tile, parts[part], block + i, output, sums[sum_of_part(part, i)]);
}

template <class Of, int Parts>
void multiply_parts(
    const Layer& layer, const Tile& tile, const Part (&parts)[2], int block, int end, const Output& output) {
  for (; block + 2 <= end; block += 2) multiply_together<Of, Parts, 2>(layer, tile, parts, block, output);
  if (block < end) multiply_together<Of, Parts, 1>(layer, tile, parts, block, output);
}

template <class Of>
void multiply_whole(const Layer& layer, const Tile& tile, int block, int end, const Output& output) {
  MatrixRegisters registers(step_bytes_of(layer));
  for (int row = 0; row < tile.rows; row += 2 * kMatrixRows) {
    const bool is_pair = row + kMatrixRows < tile.rows;
    Part parts[2] = {part_of(layer, tile, row), {tile.values, row, 0}};
    if (is_pair) parts[1] = part_of(layer, tile, row + kMatrixRows);
    registers.shape(parts[0].rows, parts[1].rows);
    if (is_pair) multiply_parts<Of, 2>(layer, tile, parts, block, end, output);
    else multiply_parts<Of, 1>(layer, tile, parts, block, end, output);
  }
}

}  // namespace
}  // namespace weft
