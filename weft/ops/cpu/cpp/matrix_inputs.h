// Rows of activations as AMX reads them. Included by `level_amx.cpp`.
//
// A part is 16 rows, or what is left of a tile. It lies in one piece, step by step: so many bytes of each of its rows.
#pragma once
#include "matrix_registers.h"
#include "store.h"

namespace weft {
namespace {

constexpr int kPairsStep = 32;  // bfloat16 inputs of a step
// Of a tile; the second of weights that become bytes once for a tile, which takes as long as products of 20 to 60 rows.
constexpr int kMostRows = 64, kMostRowsOfBytes = 256;
// So many inputs of a block are brought into bytes with sign before they are multiplied with all rows of a tile. They
// stay in the first cache beside the inputs of a part.
constexpr int kPieceInputs = 1024;
// Of groups so large sums are scaled as soon as weights are, or sooner where there are few rows.
constexpr int kLeastGroup = 128;

// Whether weights are multiplied with their whole scales before all inputs are summed up at once.
inline bool scales_weights(const Layer& layer) {
  const bool sums_groups = layer.group_inputs >= kLeastGroup && layer.group_inputs <= kPieceInputs;
  return layer.format == Format::int4_whole && (!sums_groups || layer.inputs > kExactInputs);
}

// Bytes of a row that are multiplied at once: of integers those of one unit where an odd number of these is summed up.
inline size_t step_bytes_of(const Layer& layer) {
  const int together = scales_weights(layer) ? layer.inputs : layer.group_inputs;
  return !is_narrow(layer.format) || together / kUnit % 2 == 0 ? kLineBytes : kUnit;
}

inline size_t row_bytes_of(const Layer& layer) {
  return static_cast<size_t>(layer.inputs) * (is_narrow(layer.format) ? 1 : 2);
}

struct Part {
  const uint8_t* inputs;
  int first_row, rows;  // of the tile
};

inline Part part_of(const Layer& layer, const Tile& tile, int first_row) {
  const int left = tile.rows - first_row;
  return {tile.values + first_row * row_bytes_of(layer), first_row, left < kMatrixRows ? left : kMatrixRows};
}

// Where the first bytes of a row lie.
inline uint8_t* place_of(const Layer& layer, const Tile& tile, int row) {
  const Part part = part_of(layer, tile, row / kMatrixRows * kMatrixRows);
  return const_cast<uint8_t*>(part.inputs) + (row - part.first_row) * step_bytes_of(layer);
}

inline size_t next_step(const Layer& layer, const Tile& tile, int row) {
  return part_of(layer, tile, row / kMatrixRows * kMatrixRows).rows * step_bytes_of(layer);
}

// Inputs of a row as bytes, side by side, and `sum` with them.
template <class Row>
inline Ints lay_unit(Row row, int width, int first, Floats lift, Floats inverse, uint8_t* out, Ints sum) {
  WEFT_UNROLL
  for (int k = 0; k < kUnit; k += kColumns) {
    const Floats scaled = Isa::mul(Isa::mul(inputs_of(row, width, first + k), lift), inverse);
    const Ints whole = Isa::rounded(scaled, kRounder);
    sum = Isa::add(sum, whole);
    Isa::store_low_bytes(out + k, whole);
  }
  return sum;
}

// One sum of a row at most begins with what unsigned weights add too much: others are multiplied with their sign.
template <class Row>
void lay_integers(const Layer& layer, Row row, int width, int index, const Tile& tile) {
  const RowScale scale = scale_of(highest_of(row, width));
  // Not divided by a number that is known only now: that takes longer than the unit does.
  const int shift = step_bytes_of(layer) == kLineBytes ? 6 : 5, within = (1 << shift) - 1;
  const size_t next = next_step(layer, tile, index);
  uint8_t* const out = place_of(layer, tile, index);
  const Floats lift = Isa::splat_float(scale.lift), inverse = Isa::splat_float(scale.inverse);
  tile.scales[index] = scale.scale;
  Ints sum = Isa::splat(0);
  for (int k = 0; k < layer.inputs; k += kUnit)
    sum = lay_unit(row, width, k, lift, inverse, out + (k >> shift) * next + (k & within), sum);
  const uint32_t all = static_cast<uint32_t>(Isa::sum_of(sum));  // of a row with an infinity it may be anything
  tile.starts[index] = static_cast<int32_t>(0u - static_cast<uint32_t>(Isa::kByteOffset) * all);
}

inline void lay_pairs(const Layer& layer, const uint16_t* row, int width, int index, const Tile& tile) {
  const size_t next = next_step(layer, tile, index);
  uint8_t* out = place_of(layer, tile, index);
  int k = 0;
  for (; k + kPairsStep <= width; k += kPairsStep, out += next) memcpy(out, row + k, kLineBytes);
  if (k == layer.inputs) return;
  memset(out, 0, kLineBytes);
  memcpy(out, row + k, static_cast<size_t>(width - k) * sizeof *row);
}

inline void lay(const Layer& layer, const Input& input, const Tile& tile, int first, int end) {
  for (int index = first; index < end; ++index) {
    const size_t at = input.place(tile.first_row + index);
    const FloatRow wide{static_cast<const float*>(input.values) + at};
    const NarrowRow narrow{static_cast<const uint16_t*>(input.values) + at};
    if (tile.in_pairs) lay_pairs(layer, narrow.values, input.width, index, tile);
    else if (input.number == Number::float32) lay_integers(layer, wide, input.width, index, tile);
    else lay_integers(layer, narrow, input.width, index, tile);
  }
}

}  // namespace
}  // namespace weft
