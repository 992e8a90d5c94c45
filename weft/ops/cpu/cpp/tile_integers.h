// Products of a tile of rows with blocks of integer weights. Included by `tile.h`.
#pragma once
#include "lines.h"
#include "store.h"

namespace weft {
namespace {

// Two fours of inputs for 64 bytes: the low halves of the bytes hold one, the high halves the next.
struct Int4 {
  static constexpr int kQuads = 2;
  static inline void take(const uint8_t* at, Bytes (&weights)[kQuads]) {
    const Bytes both = Isa::load_bytes(at);
    weights[0] = Isa::low_halves(both);
    weights[1] = Isa::high_halves(both);
  }
  static inline Ints dot(Ints sum, Bytes weights, const uint8_t* four) { return Isa::dot_halves(sum, weights, four); }
};

struct Int8 {
  static constexpr int kQuads = 1;
  static inline void take(const uint8_t* at, Bytes (&weights)[kQuads]) { weights[0] = Isa::load_bytes(at); }
  static inline Ints dot(Ints sum, Bytes weights, const uint8_t* four) { return Isa::dot_bytes(sum, weights, four); }
};

// From so many rows on, products take longer than weights need to come; but the processor itself fetches ahead no
// further than to the end of a page, so the next lines are asked for that far ahead.
constexpr int kRowsThatAsk = 3;
constexpr size_t kAhead = 4096;

// Sums of a group: few rows have several each, so that no addition waits for the one before. Integers, so it is exact.
template <int R>
struct Sums {
  static constexpr int kParts = R <= 2 ? 2 : 1;
  Ints at[R][kParts];

  inline void begin(const int32_t* starts) {
    WEFT_UNROLL
    for (int r = 0; r < R; ++r) {
      at[r][0] = Isa::splat(starts[r]);
      if constexpr (kParts == 2) at[r][1] = Isa::splat(0);
    }
  }
  inline Ints total(int r) const {
    if constexpr (kParts == 2) return Isa::add(at[r][0], at[r][1]);
    else return at[r][0];
  }
};

// Products with kUnit inputs: `numbers` of the weights, `fours` of the rows.
template <class Weights, int R>
inline void add_unit(Sums<R>& sums, const uint8_t* numbers, const uint8_t* fours, bool asks) {
  constexpr int kSteps = kUnit / (4 * Weights::kQuads);
  WEFT_UNROLL
  for (int step = 0; step < kSteps; ++step) {
    Bytes weights[Weights::kQuads];
    Weights::take(numbers + step * kAlignment, weights);
    if (R >= kRowsThatAsk && asks) __builtin_prefetch(numbers + step * kAlignment + kAhead, 0, 3);
    WEFT_UNROLL
    for (int quad = 0; quad < Weights::kQuads; ++quad)
      WEFT_UNROLL
      for (int r = 0; r < R; ++r) {
        const int index = step * Weights::kQuads + quad;
        Ints& sum = sums.at[r][index % Sums<R>::kParts];
        sum = Weights::dot(sum, weights[quad], fours + 4 * (index * R + r));
      }
  }
}

template <int R>
inline void give_totals(
    const Layer& layer, const Tile& tile, const Floats (&total)[R], int block, const Output& output) {
  const Floats factors = Isa::load_floats(layer.factors + block * kColumns);
  WEFT_UNROLL
  for (int r = 0; r < R; ++r)
    store(layer, Isa::mul(Isa::mul(total[r], Isa::splat_float(tile.scales[r])), factors), tile.first_row + r, block, output);
}

template <class Weights, int R>
__attribute__((noinline)) void integers(
    const Layer& layer, const Tile& tile, int block, const Output& output, bool is_first) {
  constexpr size_t kUnitBytes = kUnit / (4 * Weights::kQuads) * kAlignment;
  Lines lines(layer, block);
  const uint8_t* fours = tile.values;
  const int32_t* starts = tile.starts;
  const int units = layer.group_inputs / kUnit, groups = layer.num_groups();
  Floats total[R];
  WEFT_UNROLL
  for (int r = 0; r < R; ++r) total[r] = Isa::zero();
  for (int group = 0; group < groups; ++group, starts += R) {
    lines.begin(group);
    Sums<R> sums;
    sums.begin(starts);
    for (int unit = units; unit > 0; --unit, lines.numbers += kUnitBytes, fours += kUnit * R)
      add_unit<Weights, R>(sums, lines.numbers, fours, is_first);
    const Floats scale = Isa::load_halves(lines.scales);
    WEFT_UNROLL
    for (int r = 0; r < R; ++r) total[r] = Isa::fma(Isa::to_floats(sums.total(r)), scale, total[r]);
  }
  give_totals<R>(layer, tile, total, block, output);
}

}  // namespace
}  // namespace weft
