// Products of a tile of rows with blocks of columns, written once for every level of instructions.
//
// Included by one file per level after it has defined the struct `Isa`. Everything is in an unnamed namespace, since
// the same template compiled with other flags is another function.
//
// The order of additions per output is fixed: over the inputs from first to last, one fused multiplication and
// addition each (floats), or one exact integer sum per group and one fused multiplication and addition per group
// (integers). Tiles, blocks and threads do not change it, so a row has the same bits alone and among others.
#pragma once
#include <cstring>

#include "kernels.h"

// Loops over rows and columns of a tile must leave no loop behind, or the sums would lie in memory.
#if defined(__clang__)
#define WEFT_UNROLL _Pragma("unroll")
#else
#define WEFT_UNROLL _Pragma("GCC unroll 16")
#endif

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
  float at(int k) const { return values[k]; }
};

struct NarrowRow {
  const uint16_t* values;
  float at(int k) const { return widened(values[k]); }
};

// The scale of a row: its largest magnitude becomes 127. `lift` brings magnitudes whose inverse would overflow up
// first. A row that holds an infinity or a NaN gets the scale NaN, and so do all its outputs.
struct RowScale {
  float scale, lift, inverse;
};

template <class Row>
RowScale scale_of(Row row, int width) {
  uint32_t highest_bits = 0;
  for (int k = 0; k < width; ++k) {
    const uint32_t magnitude = bits_of(row.at(k)) & 0x7fffffffu;
    highest_bits = magnitude > highest_bits ? magnitude : highest_bits;
  }
  float highest;
  memcpy(&highest, &highest_bits, 4);
  if (highest_bits >= 0x7f800000u) return {__builtin_nanf(""), 0.0f, 0.0f};
  if (highest_bits == 0) return {0.0f, 0.0f, 0.0f};
  const float lift = highest < 0x1p-60f ? 0x1p90f : 1.0f;
  return {highest / 127.0f, lift, 127.0f / (highest * lift)};
}

// Added to a float of small magnitude, it leaves the nearest integer in the low bits.
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23

template <class Row>
void narrow_row(Row row, int width, const RowScale& scale, int8_t* out) {
  for (int k = 0; k < width; ++k)
    out[k] = static_cast<int8_t>(bits_of((row.at(k) * scale.lift) * scale.inverse + kRounder));
}

// The sums of a group begin with what unsigned weights add too much: their offset times the sum of the inputs.
inline int offset_of(Format format) { return format == Format::int4 ? 8 : Isa::kByteOffset; }

template <class Row>
void prepare_integers(const Layer& layer, Row row, int width, int index, const Tile& tile) {
  int8_t* narrow = reinterpret_cast<int8_t*>(tile.scratch);
  const RowScale scale = scale_of(row, width);
  tile.scales[index] = scale.scale;
  narrow_row(row, width, scale, narrow);
  memset(narrow + width, 0, static_cast<size_t>(layer.inputs - width));
  uint8_t* out = tile.values + 4 * index;
  for (int quad = 0; quad < layer.inputs / 4; ++quad)
    memcpy(out + static_cast<size_t>(quad) * tile.rows * 4, narrow + 4 * quad, 4);
  const int offset = offset_of(layer.format);
  for (int group = 0; group < layer.num_groups(); ++group) {
    const int8_t* members = narrow + static_cast<size_t>(group) * layer.group_inputs;
    int32_t sum = 0;
    for (int k = 0; k < layer.group_inputs; ++k) sum += members[k];
    tile.starts[group * tile.rows + index] = -offset * sum;
  }
}

inline void prepare_pairs(const Layer& layer, const uint16_t* row, int width, int index, const Tile& tile) {
  uint16_t* out = reinterpret_cast<uint16_t*>(tile.values) + 2 * index;
  for (int k = 0; k < layer.inputs; ++k)
    out[static_cast<size_t>(k / 2) * tile.rows * 2 + k % 2] = k < width ? row[k] : 0;
}

template <class Row>
void prepare_floats(const Layer& layer, Row row, int width, int index, const Tile& tile) {
  float* out = reinterpret_cast<float*>(tile.values) + index;
  for (int k = 0; k < layer.inputs; ++k) out[static_cast<size_t>(k) * tile.rows] = k < width ? row.at(k) : 0.0f;
}

void prepare(const Layer& layer, const Input& input, const Tile& tile) {
  for (int index = 0; index < tile.rows; ++index) {
    const size_t at = static_cast<size_t>(tile.first_row + index) * input.width;
    const FloatRow wide{static_cast<const float*>(input.values) + at};
    const NarrowRow narrow{static_cast<const uint16_t*>(input.values) + at};
    const bool is_wide = input.number == Number::float32;
    if (is_narrow(layer.format))
      is_wide ? prepare_integers(layer, wide, input.width, index, tile)
              : prepare_integers(layer, narrow, input.width, index, tile);
    else if (tile.in_pairs)
      prepare_pairs(layer, narrow.values, input.width, index, tile);
    else
      is_wide ? prepare_floats(layer, wide, input.width, index, tile)
              : prepare_floats(layer, narrow, input.width, index, tile);
  }
}

// What all kernels end with: bias, number format, columns that exist.
inline void store(const Layer& layer, Floats result, int row, int block, const Output& output) {
  const int column = block * kColumns;
  const int count = layer.outputs - column < kColumns ? layer.outputs - column : kColumns;
  alignas(kAlignment) float values[kColumns];
  Isa::store(values, result);
  if (layer.bias != nullptr)
    for (int i = 0; i < count; ++i) values[i] += layer.bias[column + i];
  const size_t at = static_cast<size_t>(row) * output.width + column;
  if (output.number == Number::float32) {
    float* out = static_cast<float*>(output.values) + at;
    if (count == kColumns) memcpy(out, values, sizeof values);
    else memcpy(out, values, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  uint16_t* out = static_cast<uint16_t*>(output.values) + at;
  if (count == kColumns)
    for (int i = 0; i < kColumns; ++i) out[i] = narrowed(values[i]);
  else
    for (int i = 0; i < count; ++i) out[i] = narrowed(values[i]);
}

// Two fours of inputs for 64 bytes: the low halves of the bytes hold one, the high halves the next.
struct Int4 {
  static constexpr int kQuads = 2;
  static inline void take(const uint8_t* at, Bytes (&weights)[kQuads]) {
    const Bytes both = Isa::load_bytes(at);
    weights[0] = Isa::low_halves(both);
    weights[1] = Isa::high_halves(both);
  }
  template <class Four>
  static inline Ints dot(Ints sum, Bytes weights, Four four) { return Isa::dot_halves(sum, weights, four); }
  static inline size_t numbers_bytes(int inputs) { return static_cast<size_t>(inputs) * kColumns / 2; }
};

struct Int8 {
  static constexpr int kQuads = 1;
  static inline void take(const uint8_t* at, Bytes (&weights)[kQuads]) { weights[0] = Isa::load_bytes(at); }
  template <class Four>
  static inline Ints dot(Ints sum, Bytes weights, Four four) { return Isa::dot_bytes(sum, weights, four); }
  static inline size_t numbers_bytes(int inputs) { return static_cast<size_t>(inputs) * kColumns; }
};

template <class Weights, int R, int C>
__attribute__((noinline)) void integers(
    const Layer& layer, const Tile& tile, int block, const Output& output, bool is_first) {
  const uint8_t* numbers = layer.blocks + static_cast<size_t>(block) * layer.block_bytes;
  const uint8_t* scales = numbers + aligned(Weights::numbers_bytes(layer.inputs));
  const uint8_t* fours = tile.values;
  const int32_t* starts = tile.starts;
  const int steps = layer.group_inputs / (4 * Weights::kQuads);
  const size_t stride = layer.block_bytes;
  // Only rows that are many give the memory time to fetch what comes next beside what is computed.
  const size_t ahead = R >= Isa::kPrefetchRows && is_first ? C * stride : 0;
  Floats total[R][C];
  WEFT_UNROLL
  for (int r = 0; r < R; ++r)
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) total[r][c] = Isa::zero();
  for (int group = 0; group < layer.num_groups(); ++group, starts += R, scales += 2 * kColumns) {
    Ints sum[R][C];
    WEFT_UNROLL
    for (int r = 0; r < R; ++r)
      WEFT_UNROLL
      for (int c = 0; c < C; ++c) sum[r][c] = Isa::splat(starts[r]);
    for (int step = 0; step < steps; ++step, numbers += kAlignment, fours += 4 * R * Weights::kQuads) {
      Bytes weights[C][Weights::kQuads];
      WEFT_UNROLL
      for (int c = 0; c < C; ++c) {
        Weights::take(numbers + c * stride, weights[c]);
        if (R >= Isa::kPrefetchRows && ahead) __builtin_prefetch(numbers + c * stride + ahead, 0, 2);
      }
      WEFT_UNROLL
      for (int quad = 0; quad < Weights::kQuads; ++quad)
        WEFT_UNROLL
        for (int r = 0; r < R; ++r) {
          const uint8_t* four = fours + 4 * (quad * R + r);
          if constexpr (C == 1) {
            sum[r][0] = Weights::dot(sum[r][0], weights[0][quad], four);
          } else {
            const auto inputs = Isa::broadcast(four);
            WEFT_UNROLL
            for (int c = 0; c < C; ++c) sum[r][c] = Weights::dot(sum[r][c], weights[c][quad], inputs);
          }
        }
    }
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) {
      const Floats scale = Isa::load_halves(scales + c * stride);
      WEFT_UNROLL
      for (int r = 0; r < R; ++r) total[r][c] = Isa::fma(Isa::to_floats(sum[r][c]), scale, total[r][c]);
    }
  }
  WEFT_UNROLL
  for (int c = 0; c < C; ++c) {
    const Floats factors = Isa::load_floats(layer.factors + (block + c) * kColumns);
    WEFT_UNROLL
    for (int r = 0; r < R; ++r) {
      const Floats scaled = Isa::mul(Isa::mul(total[r][c], Isa::splat_float(tile.scales[r])), factors);
      store(layer, scaled, tile.first_row + r, block + c, output);
    }
  }
}

// Weights of two inputs side by side: 64 bytes of bfloat16, or twice 64 of float32.
struct Wide16 {
  static constexpr size_t kPairBytes = 64;
  static inline Floats even(const uint8_t* at) { return Isa::even_bfloat16(at); }
  static inline Floats odd(const uint8_t* at) { return Isa::odd_bfloat16(at); }
};

struct Wide32 {
  static constexpr size_t kPairBytes = 128;
  static inline Floats even(const uint8_t* at) { return Isa::load_floats(reinterpret_cast<const float*>(at)); }
  static inline Floats odd(const uint8_t* at) { return Isa::load_floats(reinterpret_cast<const float*>(at) + kColumns); }
};

template <class Weights, int R, int C>
__attribute__((noinline)) void floats(
    const Layer& layer, const Tile& tile, int block, const Output& output, bool is_first) {
  const uint8_t* numbers = layer.blocks + static_cast<size_t>(block) * layer.block_bytes;
  const float* inputs = reinterpret_cast<const float*>(tile.values);
  const size_t ahead = is_first ? C * layer.block_bytes : 0;
  Floats total[R][C];
  WEFT_UNROLL
  for (int r = 0; r < R; ++r)
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) total[r][c] = Isa::zero();
  for (int pair = 0; pair < layer.inputs / 2; ++pair, numbers += Weights::kPairBytes, inputs += 2 * R) {
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) {
      const uint8_t* at = numbers + c * layer.block_bytes;
      if (R >= Isa::kPrefetchRows && ahead) __builtin_prefetch(at + ahead, 0, 2);
      const Floats even = Weights::even(at), odd = Weights::odd(at);
      WEFT_UNROLL
      for (int r = 0; r < R; ++r) total[r][c] = Isa::fma(even, Isa::splat_float(inputs[r]), total[r][c]);
      WEFT_UNROLL
      for (int r = 0; r < R; ++r) total[r][c] = Isa::fma(odd, Isa::splat_float(inputs[R + r]), total[r][c]);
    }
  }
  WEFT_UNROLL
  for (int r = 0; r < R; ++r)
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) store(layer, total[r][c], tile.first_row + r, block + c, output);
}

template <int R, int C>
__attribute__((noinline)) void pairs(
    const Layer& layer, const Tile& tile, int block, const Output& output, bool is_first) {
  const uint8_t* numbers = layer.blocks + static_cast<size_t>(block) * layer.block_bytes;
  const uint8_t* inputs = tile.values;
  const size_t ahead = is_first ? C * layer.block_bytes : 0;
  Floats total[R][C];
  WEFT_UNROLL
  for (int r = 0; r < R; ++r)
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) total[r][c] = Isa::zero();
  for (int pair = 0; pair < layer.inputs / 2; ++pair, numbers += kAlignment, inputs += 4 * R) {
    Bytes weights[C];
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) {
      weights[c] = Isa::load_bytes(numbers + c * layer.block_bytes);
      if (R >= Isa::kPrefetchRows && ahead) __builtin_prefetch(numbers + c * layer.block_bytes + ahead, 0, 2);
    }
    WEFT_UNROLL
    for (int r = 0; r < R; ++r) {
      if constexpr (C == 1) {
        total[r][0] = Isa::dot_pairs(total[r][0], weights[0], inputs + 4 * r);
      } else {
        const auto both = Isa::broadcast(inputs + 4 * r);
        WEFT_UNROLL
        for (int c = 0; c < C; ++c) total[r][c] = Isa::dot_pairs(total[r][c], weights[c], both);
      }
    }
  }
  WEFT_UNROLL
  for (int r = 0; r < R; ++r)
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) store(layer, total[r][c], tile.first_row + r, block + c, output);
}

using Product = void (*)(const Layer&, const Tile&, int, const Output&, bool);

struct OfInt4 {
  template <int R, int C> static constexpr Product product() { return integers<Int4, R, C>; }
};
struct OfInt8 {
  template <int R, int C> static constexpr Product product() { return integers<Int8, R, C>; }
};
struct OfBfloat16 {
  template <int R, int C> static constexpr Product product() { return floats<Wide16, R, C>; }
};
struct OfFloat32 {
  template <int R, int C> static constexpr Product product() { return floats<Wide32, R, C>; }
};
struct OfPairs {
  template <int R, int C> static constexpr Product product() { return pairs<R, C>; }
};

// Blocks that are taken at once for so many rows: as many as leave the sums in registers.
inline constexpr int blocks_at_once(int rows) { return rows == 1 ? 4 : rows <= Isa::kRowsOfTwoBlocks ? 2 : 1; }

template <class Of, int R>
void multiply_blocks(
    const Layer& layer, const Tile& tile, int block, int end, const Output& output, bool is_first) {
  constexpr int C = blocks_at_once(R);
  for (; block + C <= end; block += C) Of::template product<R, C>()(layer, tile, block, output, is_first);
  for (; block < end; ++block) Of::template product<R, 1>()(layer, tile, block, output, is_first);
}

template <class Of, int R = 1>
void multiply_rows(const Layer& layer, const Tile& tile, int block, int end, const Output& output, bool is_first) {
  if (tile.rows == R) return multiply_blocks<Of, R>(layer, tile, block, end, output, is_first);
  if constexpr (R < Isa::kRows) multiply_rows<Of, R + 1>(layer, tile, block, end, output, is_first);
}

}  // namespace
}  // namespace weft
