// Products of a tile of rows with blocks of float weights. Included by `tile.h`.
#pragma once
#include "store.h"

namespace weft {
namespace {

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

}  // namespace
}  // namespace weft
