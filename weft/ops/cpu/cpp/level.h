// Makes a level's table of functions out of its `Isa`. Included last by the file of a level.
#pragma once
#include "tile.h"

namespace weft {
namespace {

void multiply(
    const Layer& layer, const Tile& tile, int first_block, int num_blocks, const Output& output, bool is_first) {
  const int end = first_block + num_blocks;
  switch (layer.format) {
    case Format::int4: return multiply_rows<OfInt4>(layer, tile, first_block, end, output, is_first);
    case Format::int4_whole: return multiply_rows<OfWhole>(layer, tile, first_block, end, output, is_first);
    case Format::int8: return multiply_rows<OfInt8>(layer, tile, first_block, end, output, is_first);
    case Format::float32: return multiply_rows<OfFloat32>(layer, tile, first_block, end, output, is_first);
    case Format::bfloat16:
      if (tile.in_pairs) return multiply_rows<OfPairs>(layer, tile, first_block, end, output, is_first);
      return multiply_rows<OfBfloat16>(layer, tile, first_block, end, output, is_first);
    case Format::int4_a16:
      if (tile.in_pairs) return multiply_rows<OfMixed<PairsOfInt4>>(layer, tile, first_block, end, output, is_first);
      return multiply_rows<OfMixed<FloatsOfInt4>>(layer, tile, first_block, end, output, is_first);
    case Format::int8_a16:
      if (tile.in_pairs) return multiply_rows<OfMixed<PairsOfInt8>>(layer, tile, first_block, end, output, is_first);
      return multiply_rows<OfMixed<FloatsOfInt8>>(layer, tile, first_block, end, output, is_first);
  }
}

uint64_t read(const uint8_t* bytes, size_t size) {
  constexpr int kStreams = 8;
  Bytes mixed[kStreams];
  for (int i = 0; i < kStreams; ++i) mixed[i] = Isa::load_bytes(bytes + i * kAlignment);
  for (size_t at = 0; at + kStreams * kAlignment <= size; at += kStreams * kAlignment)
    for (int i = 0; i < kStreams; ++i) mixed[i] = Isa::mix(mixed[i], Isa::load_bytes(bytes + at + i * kAlignment));
  for (int i = 1; i < kStreams; ++i) mixed[0] = Isa::mix(mixed[0], mixed[i]);
  uint64_t word;
  memcpy(&word, &mixed[0], sizeof word);
  return word;
}

constexpr int kSums = 12;  // more than instructions that are under way at once, and few enough for registers
alignas(kAlignment) const uint8_t kZeros[4 * kSums + kAlignment] = {};

// The loops below do nothing but multiply, so their results must be seen to be used; once, at the end.
inline void use(Floats sum) {
  alignas(kAlignment) float values[kColumns];
  Isa::store(values, sum);
  __asm__ volatile("" : : "m"(values) : "memory");
}

int multiply_integers(int64_t times) {
  Ints sums[kSums];
  const Bytes weights = Isa::load_bytes(kZeros);
  WEFT_UNROLL
  for (int s = 0; s < kSums; ++s) sums[s] = Isa::splat(0);
  for (int64_t i = 0; i < times; ++i)
    WEFT_UNROLL
    for (int s = 0; s < kSums; ++s) sums[s] = Isa::dot_bytes(sums[s], weights, kZeros + 4 * s);
  WEFT_UNROLL
  for (int s = 0; s < kSums; ++s) use(Isa::to_floats(sums[s]));
  return kSums * kColumns * 4 * 2;
}

int multiply_floats(int64_t times) {
  Floats sums[kSums];
  WEFT_UNROLL
  for (int s = 0; s < kSums; ++s) sums[s] = Isa::zero();
  const Floats weights = Isa::splat_float(1.5f), small = Isa::splat_float(0.25f);
  for (int64_t i = 0; i < times; ++i)
    WEFT_UNROLL
    for (int s = 0; s < kSums; ++s) sums[s] = Isa::fma(weights, sums[s], small);
  WEFT_UNROLL
  for (int s = 0; s < kSums; ++s) use(sums[s]);
  return kSums * kColumns * 2;
}

int multiply_pairs(int64_t times) {
  Floats sums[kSums];
  WEFT_UNROLL
  for (int s = 0; s < kSums; ++s) sums[s] = Isa::zero();
  const Bytes weights = Isa::load_bytes(kZeros);
  for (int64_t i = 0; i < times; ++i)
    WEFT_UNROLL
    for (int s = 0; s < kSums; ++s) sums[s] = Isa::dot_pairs(sums[s], weights, kZeros + 4 * s);
  WEFT_UNROLL
  for (int s = 0; s < kSums; ++s) use(sums[s]);
  return kSums * kColumns * 2 * 2;
}

const Kernels kTable = {
    Isa::kName, Isa::kRows, Isa::kMultipliesPairs, prepare, multiply, read, multiply_integers, multiply_floats,
    multiply_pairs};

}  // namespace
}  // namespace weft
