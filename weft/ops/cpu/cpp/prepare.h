// Rows of activations as the kernels read them: narrowed to int8, in pairs of bfloat16, or widened to float32.
//
// Included by `tile.h`, in an unnamed namespace for the same reason.
#pragma once
#include <cstring>

#include "kernels.h"

namespace weft {
namespace {

using Bytes = Isa::Bytes;
using Floats = Isa::Floats;
using Ints = Isa::Ints;

inline float widened(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

// To the nearest bfloat16, ties to even; a NaN stays one.
inline uint16_t narrowed(float value) {
  const uint32_t bits = bits_of(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quiet = (bits >> 16) | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

struct FloatRow {
  const float* values;
  Floats sixteen(int k) const { return Isa::load_floats(values + k); }
  float at(int k) const { return values[k]; }
};

struct NarrowRow {
  const uint16_t* values;
  Floats sixteen(int k) const { return Isa::load_bfloat16(values + k); }
  float at(int k) const { return widened(values[k]); }
};

// Sixteen inputs from `k` on, zeros beyond the width.
template <class Row>
inline Floats inputs_of(Row row, int width, int k) {
  if (k + kColumns <= width) return row.sixteen(k);
  alignas(kAlignment) float values[kColumns] = {};
  for (int i = k; i < width; ++i) values[i - k] = row.at(i);
  return Isa::load_floats(values);
}

// The scale of a row: its largest magnitude becomes 127. `lift` brings magnitudes whose inverse would overflow up
// first. A row that holds an infinity or a NaN gets the scale NaN, and so do all its outputs.
struct RowScale {
  float scale, lift, inverse;
};

inline RowScale scale_of(float highest) {
  if (bits_of(highest) >= 0x7f800000u) return {__builtin_nanf(""), 0.0f, 0.0f};
  if (highest == 0.0f) return {0.0f, 0.0f, 0.0f};
  const float lift = highest < 0x1p-60f ? 0x1p90f : 1.0f;
  return {highest / 127.0f, lift, 127.0f / (highest * lift)};
}

// By their bits, so that an infinity is larger than any number and a NaN larger still.
template <class Row>
float highest_of(Row row, int width) {
  Ints highest = Isa::splat(0);
  for (int k = 0; k < width; k += kColumns)
    highest = Isa::max(highest, Isa::bits_without_sign(inputs_of(row, width, k)));
  const int32_t bits = Isa::max_of(highest);
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// Added to a float of small magnitude, it leaves the nearest integer in the low bits.
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23

// Fours of inputs of one row, `stride` bytes apart. Returns the sum of these kUnit integers.
template <class Row>
inline int32_t narrow_unit(Row row, int width, int first, const RowScale& scale, uint8_t* fours, size_t stride) {
  const Floats lift = Isa::splat_float(scale.lift), inverse = Isa::splat_float(scale.inverse);
  Ints sum = Isa::splat(0);
  for (int k = first; k < first + kUnit; k += kColumns) {
    const Floats scaled = Isa::mul(Isa::mul(inputs_of(row, width, k), lift), inverse);
    const Ints whole = Isa::rounded(scaled, kRounder);
    sum = Isa::add(sum, whole);
    uint8_t bytes[kColumns];
    Isa::store_low_bytes(bytes, whole);
    for (int quad = 0; quad < kColumns / 4; ++quad, fours += stride) memcpy(fours, bytes + 4 * quad, 4);
  }
  return Isa::sum_of(sum);
}

// A sum begins with what unsigned weights add too much: their offset times the sum of the inputs.
inline int offset_of(Format format) { return is_halves(format) ? 8 : Isa::kByteOffset; }

template <class Row>
void prepare_integers(const Layer& layer, Row row, int width, int index, const Tile& tile) {
  const RowScale scale = scale_of(highest_of(row, width));
  const size_t stride = static_cast<size_t>(tile.rows) * 4;
  const int offset = offset_of(layer.format);
  uint8_t* fours = tile.values + 4 * index;
  int32_t* start = tile.starts + index;
  tile.scales[index] = scale.scale;
  for (int first = 0; first < layer.inputs; first += layer.sum_inputs(), start += tile.rows) {
    uint32_t sum = 0;  // unsigned: of a row with an infinity it may be anything
    for (int k = first; k < first + layer.sum_inputs(); k += kUnit, fours += kUnit / 4 * stride)
      sum += static_cast<uint32_t>(narrow_unit(row, width, k, scale, fours, stride));
    *start = static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * sum);
  }
}

inline void prepare_pairs(const uint16_t* row, int width, int index, const Tile& tile) {
  const size_t stride = static_cast<size_t>(tile.rows) * 4;
  uint8_t* out = tile.values + 4 * index;
  for (int k = 0; k + 2 <= width; k += 2, out += stride) memcpy(out, row + k, 4);
  if (width % 2 == 0) return;
  const uint16_t last[2] = {row[width - 1], 0};
  memcpy(out, last, 4);
}

// In the order in which integers are made pairs, zeros beyond the width.
inline void prepare_mixed_pairs(const Layer& layer, const uint16_t* row, int width, int index, const Tile& tile) {
  const size_t stride = static_cast<size_t>(tile.rows) * 4;
  uint8_t* out = tile.values + 4 * index;
  for (int k = 0; k < layer.inputs; k += 4, out += 2 * stride) {
    uint16_t four[4] = {};
    memcpy(four, row + k, 2 * static_cast<size_t>(k + 4 <= width ? 4 : k < width ? width - k : 0));
    const uint16_t even[2] = {four[0], four[2]}, odd[2] = {four[1], four[3]};
    memcpy(out, even, 4);
    memcpy(out + stride, odd, 4);
  }
}

template <class Row>
void prepare_floats(const Layer& layer, Row row, int width, int index, const Tile& tile) {
  float* out = reinterpret_cast<float*>(tile.values) + index;
  for (int k = 0; k < layer.inputs; ++k) out[static_cast<size_t>(k) * tile.rows] = k < width ? row.at(k) : 0.0f;
}

inline void prepare(const Layer& layer, const Input& input, const Tile& tile, int first, int end) {
  for (int index = first; index < end; ++index) {
    const size_t at = input.place(tile.first_row + index);
    const FloatRow wide{static_cast<const float*>(input.values) + at};
    const NarrowRow narrow{static_cast<const uint16_t*>(input.values) + at};
    const bool is_wide = input.number == Number::float32;
    if (is_narrow(layer.format))
      is_wide ? prepare_integers(layer, wide, input.width, index, tile)
              : prepare_integers(layer, narrow, input.width, index, tile);
    else if (tile.in_pairs && is_mixed(layer.format))
      prepare_mixed_pairs(layer, narrow.values, input.width, index, tile);
    else if (tile.in_pairs)
      prepare_pairs(narrow.values, input.width, index, tile);
    else
      is_wide ? prepare_floats(layer, wide, input.width, index, tile)
              : prepare_floats(layer, narrow, input.width, index, tile);
  }
}

}  // namespace
}  // namespace weft
