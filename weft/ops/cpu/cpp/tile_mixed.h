// Products of a tile of rows with blocks of integer weights, by activations that stay floats. Included by `tile.h`.
//
// Integers become floats in registers, exactly, so a weight is rounded by nothing but its own format. The products of a
// group are added up in order, in floats, and scaled once.
#pragma once
#include "tile_integers.h"

namespace weft {
namespace {

// What becomes of 64 bytes of weights: so many vectors, each to be multiplied with the next four bytes of every row.
struct FloatsOfInt8 {
  static constexpr int kVectors = 4, kUnitBytes = kUnit * kColumns;
  using Vector = Floats;
  static inline void take(const uint8_t* at, Vector (&weights)[kVectors]) {
    widen_four(Isa::load_bytes(at), Isa::splat(-128), weights);
  }
  static inline void widen_four(const Bytes& bytes, const Ints& shift, Vector* weights) {
    weights[0] = Isa::to_floats(Isa::add(Isa::byte_of<0>(bytes), shift));
    weights[1] = Isa::to_floats(Isa::add(Isa::byte_of<1>(bytes), shift));
    weights[2] = Isa::to_floats(Isa::add(Isa::byte_of<2>(bytes), shift));
    weights[3] = Isa::to_floats(Isa::add(Isa::byte_of<3>(bytes), shift));
  }
  static inline Floats splat(const uint8_t* input) { return Isa::splat_float(*reinterpret_cast<const float*>(input)); }
  template <int C>
  static inline Floats add(const Floats& sum, const Vector& weights, const uint8_t* input) {
    return Isa::fma(weights, splat(input), sum);
  }
};

struct FloatsOfInt4 : FloatsOfInt8 {
  static constexpr int kVectors = 8, kUnitBytes = kUnit * kColumns / 2;
  static inline void take(const uint8_t* at, Vector (&weights)[kVectors]) {
    const Bytes both = Isa::load_bytes(at);
    widen_four(Isa::low_halves(both), Isa::splat(-8), weights);
    widen_four(Isa::high_halves(both), Isa::splat(-8), weights + 4);
  }
};

#ifdef WEFT_BF16
struct PairsOfInt8 {
  static constexpr int kVectors = 2, kUnitBytes = kUnit * kColumns;
  using Vector = Bytes;
  static inline void take(const uint8_t* at, Vector (&weights)[kVectors]) { Isa::pairs_of_bytes(at, weights); }
  template <int C>
  static inline Floats add(const Floats& sum, const Vector& weights, const uint8_t* input) {
    if constexpr (C == 1) return Isa::dot_pairs(sum, weights, input);
    else return Isa::dot_pairs(sum, weights, Isa::broadcast(input));
  }
};

struct PairsOfInt4 : PairsOfInt8 {
  static constexpr int kVectors = 4, kUnitBytes = kUnit * kColumns / 2;
  static inline void take(const uint8_t* at, Vector (&weights)[kVectors]) { Isa::pairs_of_halves(at, weights); }
};
#else
using PairsOfInt8 = FloatsOfInt8;  // never asked for
using PairsOfInt4 = FloatsOfInt4;
#endif

// The sums of a group over kUnit inputs.
template <class Weights, int R, int C>
inline void add_mixed_unit(
    Floats (&sums)[R][C], const uint8_t* numbers, size_t block_bytes, const uint8_t* inputs, bool asks) {
  constexpr int kSteps = Weights::kUnitBytes / static_cast<int>(kAlignment);
  for (int step = 0; step < kSteps; ++step, numbers += kAlignment, inputs += 4 * Weights::kVectors * R)
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) {
      const uint8_t* at = numbers + c * block_bytes;
      if (asks) __builtin_prefetch(at + kAhead, 0, 3);
      typename Weights::Vector weights[Weights::kVectors];
      Weights::take(at, weights);
      WEFT_UNROLL
      for (int vector = 0; vector < Weights::kVectors; ++vector)
        WEFT_UNROLL
        for (int r = 0; r < R; ++r)
          sums[r][c] = Weights::template add<C>(sums[r][c], weights[vector], inputs + 4 * (vector * R + r));
    }
}

template <int R, int C>
inline void clear(Floats (&sums)[R][C]) {
  WEFT_UNROLL
  for (int r = 0; r < R; ++r)
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) sums[r][c] = Isa::zero();
}

template <class Weights, int R, int C>
__attribute__((noinline)) void mixed(
    const Layer& layer, const Tile& tile, int block, const Output& output, bool is_first) {
  Lines lines(layer, block);
  const uint8_t* inputs = tile.values;
  constexpr int kUnitVectors = Weights::kUnitBytes / static_cast<int>(kAlignment) * Weights::kVectors;
  const int units = layer.group_inputs / kUnit, groups = layer.num_groups();
  Floats total[R][C];
  clear(total);
  for (int group = 0; group < groups; ++group) {
    lines.begin(group);
    Floats sums[R][C];
    clear(sums);
    for (int unit = units; unit > 0; --unit, lines.numbers += Weights::kUnitBytes, inputs += 4 * kUnitVectors * R)
      add_mixed_unit<Weights, R, C>(sums, lines.numbers, layer.block_bytes, inputs, is_first);
    WEFT_UNROLL
    for (int c = 0; c < C; ++c) {
      const Floats scale = Isa::load_halves(lines.scales + c * layer.block_bytes);
      WEFT_UNROLL
      for (int r = 0; r < R; ++r) total[r][c] = Isa::fma(sums[r][c], scale, total[r][c]);
    }
  }
  WEFT_UNROLL
  for (int c = 0; c < C; ++c) {
    const Floats factors = Isa::load_floats(layer.factors + (block + c) * kColumns);
    WEFT_UNROLL
    for (int r = 0; r < R; ++r)
      store(layer, Isa::mul(total[r][c], factors), tile.first_row + r, block + c, output);
  }
}

}  // namespace
}  // namespace weft
