// Products of a tile of rows with blocks of columns, written once for every level of instructions.
//
// Included by one file per level after it has defined the struct `Isa`. Everything is in an unnamed namespace, since
// the same template compiled with other flags is another function.
//
// The order of additions per output is fixed: over the inputs from first to last, one fused multiplication and
// addition each (floats), or one exact integer sum per group and one fused multiplication and addition per group
// (integers), or one exact integer sum over all (integers with whole scales), or a sum of floats per group and the same
// (integers times floats). Tiles, blocks and threads do not change it, so a row has the same bits alone and among others.
#pragma once
#include "tile_floats.h"
#include "tile_integers.h"
#include "tile_mixed.h"
#include "tile_whole.h"

namespace weft {
namespace {

using Product = void (*)(const Layer&, const Tile&, int, const Output&, bool);

// Integers go block by block, so that all that a thread reads is one stream.
struct OneBlock {
  static constexpr int blocks_at_once(int) { return 1; }
};
// As many blocks as leave the sums in registers: an addition has to wait for the one before.
struct SomeBlocks {
  static constexpr int blocks_at_once(int rows) { return rows == 1 ? 4 : rows <= Isa::kRowsOfTwoBlocks ? 2 : 1; }
};

struct OfInt4 : OneBlock {
  template <int R, int C> static constexpr Product product() { return integers<Int4, R>; }
};
struct OfWhole : OneBlock {
  template <int R, int C> static constexpr Product product() { return whole<R>; }
};
struct OfInt8 : OneBlock {
  template <int R, int C> static constexpr Product product() { return integers<Int8, R>; }
};
struct OfBfloat16 : SomeBlocks {
  template <int R, int C> static constexpr Product product() { return floats<Wide16, R, C>; }
};
struct OfFloat32 : SomeBlocks {
  template <int R, int C> static constexpr Product product() { return floats<Wide32, R, C>; }
};
struct OfPairs : SomeBlocks {
  template <int R, int C> static constexpr Product product() { return pairs<R, C>; }
};
template <class Weights>
struct OfMixed : SomeBlocks {
  template <int R, int C> static constexpr Product product() { return mixed<Weights, R, C>; }
};

template <class Of, int R>
void multiply_blocks(
    const Layer& layer, const Tile& tile, int block, int end, const Output& output, bool is_first) {
  constexpr int C = Of::blocks_at_once(R);
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
