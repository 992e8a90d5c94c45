// Products of a tile of rows with blocks of int4 whose scales are whole numbers. Included by `tile.h`.
//
// A unit's sum fits 16 bits, so scaling and adding it is one instruction, and nothing is rounded before the end.
#pragma once
#include "tile_integers.h"

namespace weft {
namespace {

// Exact sums over the groups from `first` to `end`; fours and starts are of the first of these, and then of the next.
template <int R>
inline void add_groups(
    const Layer& layer, Lines& lines, int first, int end, const uint8_t*& fours, const int32_t*& starts, bool asks,
    Ints (&total)[R]) {
  constexpr size_t kUnitBytes = kUnit / (4 * Int4::kQuads) * kAlignment;
  const int units = layer.group_inputs / kUnit;
  for (int group = first; group < end; ++group) {
    lines.begin(group);
    const Ints scale = Isa::whole_halves(lines.scales);
    for (int unit = units; unit > 0; --unit, lines.numbers += kUnitBytes, fours += kUnit * R, starts += R) {
      Sums<R> sums;
      sums.begin(starts);
      add_unit<Int4, R>(sums, lines.numbers, fours, asks);
      WEFT_UNROLL
      for (int r = 0; r < R; ++r) total[r] = Isa::add_scaled(total[r], sums.total(r), scale);
    }
  }
}

template <int R>
__attribute__((noinline)) void whole(
    const Layer& layer, const Tile& tile, int block, const Output& output, bool is_first) {
  Lines lines(layer, block);
  const uint8_t* fours = tile.values;
  const int32_t* starts = tile.starts;
  const int groups = layer.num_groups(), groups_at_once = kExactInputs / layer.group_inputs;
  Floats result[R];
  for (int first = 0; first < groups; first += groups_at_once) {
    const int end = groups - first < groups_at_once ? groups : first + groups_at_once;
    Ints total[R];
    WEFT_UNROLL
    for (int r = 0; r < R; ++r) total[r] = Isa::splat(0);
    add_groups<R>(layer, lines, first, end, fours, starts, is_first, total);
    WEFT_UNROLL
    for (int r = 0; r < R; ++r)
      result[r] = first == 0 ? Isa::to_floats(total[r]) : Isa::sum(result[r], Isa::to_floats(total[r]));
  }
  give_totals<R>(layer, tile, result, block, output);
}

}  // namespace
}  // namespace weft
