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

constexpr int kTileVectors = kTileKeys / kLanes;

// Weights of a row's keys of a tile, from their scores. `vectors` hold what the block of rows sees, keys `seen` of them
// what this row does: with `kAll` everything, as in most of a long context, so nothing is masked.
template <bool kHasScales, bool kAll>
inline void weigh(const State& state, int row, Range vectors, Range seen) {
  const int low = kAll ? 0 : vectors.low, high = kAll ? kTileVectors : vectors.high;
  const Floats unseen = Lanes::splat(-__builtin_inff()), nothing = Lanes::splat(0.0f);
  float* scores = state.weights + static_cast<size_t>(row) * kTileKeys;
  Floats found[kTileVectors], peaks = Lanes::splat(kLowest);
#pragma GCC unroll 4
  for (int v = low; v < high; ++v) {
    found[v] = Lanes::load(scores + v * kLanes);
    if constexpr (kHasScales)
      found[v] = Lanes::mul(Lanes::mul(found[v], Lanes::splat(state.query_scales[row])), Lanes::load(state.key_scales + v * kLanes));
    // Here a cap would bend scores, and a tree of drafts hide some more of them.
    const Range lanes = seen.within(v * kLanes, kLanes);
    if constexpr (!kAll) found[v] = Lanes::only(found[v], lanes.low, lanes.high, unseen);
    peaks = Lanes::max(peaks, found[v]);
  }
  const float peak = Lanes::highest(peaks);
  if (peak > state.highest[row]) fade(state, row, peak);
  const Floats highest = Lanes::splat(state.highest[row]);
  Floats total = Lanes::load(state.totals + row * kLanes);
#pragma GCC unroll 4
  for (int v = low; v < high; ++v) {
    const Range lanes = seen.within(v * kLanes, kLanes);
    Floats weights = exp2_of_negative(Lanes::sub(found[v], highest));
    total = Lanes::add(total, weights);
    if constexpr (kHasScales) weights = Lanes::mul(weights, Lanes::load(state.value_scales + v * kLanes));
    // A scale may be no number, which is no matter to who does not see the key.
    if constexpr (kHasScales && !kAll) weights = Lanes::only(weights, lanes.low, lanes.high, nothing);
    Lanes::store(scores + v * kLanes, weights);
  }
  Lanes::store(state.totals + row * kLanes, total);
}

template <bool kHasScales>
inline void weigh(const State& state, int row, Range vectors, Range seen) {
  const bool is_all = seen.low == 0 && seen.high == kTileKeys;
  if (is_all) weigh<kHasScales, true>(state, row, vectors, seen);
  else weigh<kHasScales, false>(state, row, vectors, seen);
}

inline Matrix rows_from(float* values, int stride, int row) { return {values + static_cast<size_t>(row) * stride, stride}; }

// Sums of weighted values. Where a value is not finite, even a weight of zero would spoil a row that does not see it.
template <class Source>
void add_values(const Unit& unit, const State& state, Source values, int tile, int first, int end, bool is_sound) {
  const int step = is_sound ? Lanes::kRows : 1;
  for (int row = first; row < end; row += step) {
    const int last = row + step < end ? row + step : end;
    multiply(
        last - row, rows_from(state.weights, kTileKeys, row), values, rows_from(state.sums, state.padded_dim, row),
        {0, state.padded_dim / kLanes}, state.seen(unit, row, last, tile), false);
  }
}

template <class Format>
void score(const Attention& layer, const State& state, int first, int end, Range vectors) {
  const int dim = layer.cache.head_dim;
  if constexpr (Format::kHasScale)
    dot_rows(end - first, state, first, vectors, (dim + 3) / 4);
  else
    multiply(
        end - first, rows_from(state.queries, dim, first), Panel{state.keys, kTileKeys},
        rows_from(state.weights, kTileKeys, first), vectors, {0, dim}, true);
}

template <class Format>
void take_tile(const Attention& layer, const Unit& unit, int group, const State& state, int tile) {
  const Range all = state.seen(unit, 0, state.num_rows, tile);
  if (all.low >= all.high) return;
  Heads heads;
  find_heads(layer, unit, group, tile, all, heads);
  fetch_heads(heads, all, layer.cache.head_bytes);
  widen_seen_keys<Format>(layer, state, all, heads);
  const int dim = layer.cache.head_dim;
  // The rows of one position see the same, and values that few rows read once need no panel.
  const bool is_direct = unit.num_queries == 1 && state.num_rows <= Lanes::kRows;
  const bool is_sound = is_direct || widen_values<Format>(layer, state, all, heads);
  for (int first = 0; first < state.num_rows; first += Lanes::kRows) {
    const int end = first + Lanes::kRows < state.num_rows ? first + Lanes::kRows : state.num_rows;
    const Range seen = state.seen(unit, first, end, tile);
    if (seen.low >= seen.high) continue;
    const Range vectors{seen.low / kLanes, (seen.high + kLanes - 1) / kLanes};
    score<Format>(layer, state, first, end, vectors);
    for (int row = first; row < end; ++row)
      weigh<Format::kHasScale>(state, row, vectors, state.seen(unit, row, row + 1, tile));
    if (!is_direct) add_values(unit, state, Panel{state.values, state.padded_dim}, tile, first, end, is_sound);
    else if (dim == state.padded_dim) add_values(unit, state, Kept<Format, true>{heads.values, dim}, tile, first, end, true);
    else add_values(unit, state, Kept<Format, false>{heads.values, dim}, tile, first, end, true);
  }
}

void take_tile(const Attention& layer, const Unit& unit, int group, const State& state, int tile) {
  switch (layer.cache.format) {
    case CacheFormat::float32: return take_tile<CacheWide>(layer, unit, group, state, tile);
    case CacheFormat::bfloat16: return take_tile<CacheNarrow>(layer, unit, group, state, tile);
    case CacheFormat::int8: return take_tile<CacheBytes>(layer, unit, group, state, tile);
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
