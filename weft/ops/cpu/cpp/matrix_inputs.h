// Rows of activations as AMX reads them. Included by `level_amx.cpp`.
//
// A part is 16 rows, or what is left of a tile. It lies in one piece, step by step: so many bytes of each of its rows.
#pragma once
#include "matrix_registers.h"
#include "prepare.h"

namespace weft {
namespace {

constexpr int kPairsStep = 32;  // bfloat16 inputs of a step
constexpr int kMostRows = 64;  // of a tile

// Bytes of a row that are multiplied at once: of integers those of one unit where groups are of an odd number of these.
inline size_t step_bytes_of(const Layer& layer) {
  return !is_narrow(layer.format) || layer.group_inputs / kUnit % 2 == 0 ? kLineBytes : kUnit;
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

template <class Row>
void lay_integers(const Layer& layer, Row row, int width, int index, const Tile& tile) {
  const RowScale scale = scale_of(highest_of(row, width));
  const size_t step_bytes = step_bytes_of(layer), next = next_step(layer, tile, index);
  const int offset = offset_of(layer.format);
  uint8_t* const out = place_of(layer, tile, index);
  int32_t* start = tile.starts + index;
  tile.scales[index] = scale.scale;
  for (int group = 0; group < layer.inputs; group += layer.group_inputs, start += tile.rows) {
    uint32_t sum = 0;  // unsigned: of a row with an infinity it may be anything
    for (int k = group; k < group + layer.group_inputs; k += kUnit)
      sum += static_cast<uint32_t>(
          narrow_unit(row, width, k, scale, out + k / step_bytes * next + k % step_bytes, 4));
    *start = static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * sum);
  }
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
