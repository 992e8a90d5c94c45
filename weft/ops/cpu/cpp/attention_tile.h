// Attention of the queries of a unit with all query heads of a group, tile by tile of keys (online softmax, arXiv
// 1805.02867; the work cut up as in arXiv 2307.08691 and, over the context, as in its decoding).
//
// Tiles and splits begin at absolute positions. Within a split, tiles are taken from first to last, and splits are put
// together from first to last, wherever and whenever they were computed. What a query does not see leaves its sums as
// they are, so its bits depend on its own position, on what it sees and on nothing else.
#pragma once
#include "attention_panels.h"

namespace weft {
namespace {

// Weights of a row's keys of a tile, from their scores. Vectors `first` to `end` hold what the block of rows sees, keys
// `seen` of them what this row does.
inline void weigh(const State& state, int row, int first, int end, Range seen) {
  const Floats unseen = Lanes::splat(-__builtin_inff());
  float* scores = state.weights + static_cast<size_t>(row) * kTileKeys;
  Floats peaks = Lanes::splat(kLowest);
  for (int v = first; v < end; ++v) {
    const Range lanes = seen.within(v * kLanes, kLanes);
    // Here a cap would bend scores, and a tree of drafts hide some more of them.
    const Floats shown = Lanes::only(Lanes::load(scores + v * kLanes), lanes.low, lanes.high, unseen);
    Lanes::store(scores + v * kLanes, shown);
    peaks = Lanes::max(peaks, shown);
  }
  const float peak = Lanes::highest(peaks);
  if (peak > state.highest[row]) fade(state, row, peak);
  const Floats highest = Lanes::splat(state.highest[row]);
  Floats total = Lanes::load(state.totals + row * kLanes);
  for (int v = first; v < end; ++v) {
    const Floats weights = exp2_of_negative(Lanes::sub(Lanes::load(scores + v * kLanes), highest));
    Lanes::store(scores + v * kLanes, weights);
    total = Lanes::add(total, weights);
  }
  Lanes::store(state.totals + row * kLanes, total);
}

// Sums of weighted values. Where a value is not finite, even a weight of zero would spoil a row that does not see it.
inline void add_values(const Unit& unit, const State& state, int tile, int first, int end, bool is_sound) {
  const int step = is_sound ? Lanes::kRows : 1;
  for (int row = first; row < end; row += step) {
    const int count = end - row < step ? end - row : step;
    const Range keys = is_sound ? state.seen(unit, first, end, tile) : state.seen(unit, row, row + 1, tile);
    const Matrix sums{state.sums + static_cast<size_t>(row) * state.padded_dim, state.padded_dim};
    const Matrix weights{state.weights + static_cast<size_t>(row) * kTileKeys, kTileKeys};
    multiply(count, weights, {state.values, state.padded_dim}, sums, {0, state.padded_dim / kLanes}, keys, false);
  }
}

void take_tile(const Attention& layer, const Unit& unit, int group, const State& state, int tile) {
  const int num_rows = state.num_rows;
  const Range all = state.seen(unit, 0, num_rows, tile);
  if (all.low >= all.high) return;
  const bool is_sound = widen_tile(layer, unit, group, state, tile, all);
  for (int first = 0; first < num_rows; first += Lanes::kRows) {
    const int end = first + Lanes::kRows < num_rows ? first + Lanes::kRows : num_rows;
    const Range seen = state.seen(unit, first, end, tile);
    if (seen.low >= seen.high) continue;
    const Range vectors{seen.low / kLanes, (seen.high + kLanes - 1) / kLanes};
    const Matrix queries{state.queries + static_cast<size_t>(first) * layer.cache.head_dim, layer.cache.head_dim};
    const Matrix weights{state.weights + static_cast<size_t>(first) * kTileKeys, kTileKeys};
    multiply(end - first, queries, {state.keys, kTileKeys}, weights, vectors, {0, layer.cache.head_dim}, true);
    for (int row = first; row < end; ++row)
      weigh(state, row, vectors.low, vectors.high, state.seen(unit, row, row + 1, tile));
    add_values(unit, state, tile, first, end, is_sound);
  }
}

void take_split(const Attention& layer, const Unit& unit, int group, const State& state, int split) {
  state.clear();
  const int tiles = kSplitKeys / kTileKeys;
  for (int tile = split * tiles; tile < (split + 1) * tiles; ++tile) take_tile(layer, unit, group, state, tile);
}

// What splits have left so far, and one more.
inline void put_together(const State& all, const float* peaks, const float* totals, const float* sums) {
  for (int row = 0; row < all.num_rows; ++row) {
    const float peak = peaks[row] > all.highest[row] ? peaks[row] : all.highest[row];
    const Floats before = exp2_of_negative(Lanes::splat(all.highest[row] - peak));
    const Floats here = exp2_of_negative(Lanes::splat(peaks[row] - peak));
    all.highest[row] = peak;
    float* total = all.totals + row * kLanes;
    Lanes::store(total, Lanes::fma(Lanes::load(totals + row * kLanes), here, Lanes::mul(Lanes::load(total), before)));
    const size_t at = static_cast<size_t>(row) * all.padded_dim;
    for (int e = 0; e < all.padded_dim; e += kLanes) {
      const Floats faded = Lanes::mul(Lanes::load(all.sums + at + e), before);
      Lanes::store(all.sums + at + e, Lanes::fma(Lanes::load(sums + at + e), here, faded));
    }
  }
}

template <class Format>
void give_out(const Attention& layer, const Unit& unit, int group, const State& all) {
  const int ratio = layer.heads_per_group(), width = layer.cache.head_dim;
  for (int row = 0; row < all.num_rows; ++row) {
    const Floats total = Lanes::splat(sum(Lanes::load(all.totals + row * kLanes)));
    const int64_t place = static_cast<int64_t>(unit.row + row / ratio) * layer.queries.parts + group * ratio + row % ratio;
    auto* out = static_cast<typename Format::Type*>(layer.output) + place * width;
    for (int e = 0; e < width; e += kLanes) {
      const Floats sums = Lanes::load(all.sums + static_cast<size_t>(row) * all.padded_dim + e);
      // A negative zero may have come of rounding or not; zero added to it is zero.
      store<Format>(out + e, Lanes::add(Lanes::div(sums, total), Lanes::splat(0.0f)), width - e);
    }
  }
}

void finish(const Attention& layer, const Unit& unit, int group, const State& all) {
  if (layer.number == Number::float32) give_out<Wide>(layer, unit, group, all);
  else give_out<Narrow>(layer, unit, group, all);
}

void attend(const Attention& layer, const Unit& unit, int group, float* scratch) {
  State state(layer, unit.num_queries, scratch);
  load_queries(layer, unit, group, state);
  const State all = state.second();
  if (unit.partials == nullptr) all.clear();
  for (int split = unit.first_split; split < unit.end_split; ++split) {
    if (unit.partials != nullptr) state.keep_in(unit.partials + (split - unit.first_split) * state.partial_floats());
    take_split(layer, unit, group, state, split);
    if (unit.partials == nullptr) put_together(all, state.highest, state.totals, state.sums);
  }
  if (unit.partials == nullptr) finish(layer, unit, group, all);
}

void merge(const Attention& layer, const Unit& unit, int group, float* scratch) {
  const State all = State(layer, unit.num_queries, scratch).second();
  all.clear();
  for (int split = unit.first_split; split < unit.end_split; ++split) {
    State part(layer, unit.num_queries, scratch);
    part.keep_in(unit.partials + (split - unit.first_split) * part.partial_floats());
    put_together(all, part.highest, part.totals, part.sums);
  }
  finish(layer, unit, group, all);
}

size_t scratch_floats(const Attention& layer, int num_queries) { return State(layer, num_queries, nullptr).all_floats(); }
size_t partial_floats(const Attention& layer, int num_queries) { return State(layer, num_queries, nullptr).partial_floats(); }

}  // namespace
}  // namespace weft
