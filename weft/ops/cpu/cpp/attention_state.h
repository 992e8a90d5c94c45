// What a unit of attention works on: its queries, a tile of keys and values, running sums.
#pragma once
#include "cache_formats.h"

namespace weft {
namespace {

// The running maximum before any key: finite, so that a tile of which nothing is seen changes nothing.
constexpr float kLowest = -3.402823466e38f;

struct Range {
  int low, high;
  // The part in a window of some size, counted from where that begins.
  Range within(int start, int size) const { return {bounded(low - start, size), bounded(high - start, size)}; }
  static int bounded(int value, int size) { return value < 0 ? 0 : value > size ? size : value; }
};

struct Matrix {
  float* values;
  int stride;
};

// Rows are queries by position, and heads of the group within. All of `scratch`; see `all_floats`.
struct State {
  State(const Attention& layer, int num_queries, float* scratch)
      : num_rows(num_queries * layer.heads_per_group()), ratio(layer.heads_per_group()), padded_dim(layer.padded_dim()),
        has_scales(layer.cache.format == CacheFormat::int8) {
    const size_t dim = static_cast<size_t>(padded_dim);
    keys = scratch;
    values = keys + dim * kTileKeys;
    weights = values + dim * kTileKeys;
    queries = weights + static_cast<size_t>(num_rows) * kTileKeys;
    key_scales = queries + num_rows * dim;
    value_scales = key_scales + kTileKeys;
    query_scales = value_scales + kTileKeys;
    starts = reinterpret_cast<int32_t*>(query_scales + whole(num_rows));
    keep_in(query_scales + 2 * whole(num_rows));
  }
  size_t partial_floats() const { return static_cast<size_t>(num_rows) * (padded_dim + kLanes) + whole(num_rows); }
  size_t all_floats() const {
    return static_cast<size_t>(padded_dim) * (2 * kTileKeys + num_rows) + static_cast<size_t>(num_rows) * kTileKeys +
           2 * kTileKeys + 2 * whole(num_rows) + 2 * partial_floats();
  }
  static size_t whole(int count) { return static_cast<size_t>((count + kLanes - 1) / kLanes * kLanes); }
  // Running sums: of weighted values, of weights, and the highest scores.
  void keep_in(float* at) {
    sums = at;
    totals = sums + static_cast<size_t>(num_rows) * padded_dim;
    highest = totals + static_cast<size_t>(num_rows) * kLanes;
  }
  State second() const {
    State other = *this;
    other.keep_in(sums + partial_floats());
    return other;
  }
  void clear() const {
    memset(sums, 0, static_cast<size_t>(num_rows) * (padded_dim + kLanes) * sizeof *sums);
    for (int row = 0; row < num_rows; ++row) highest[row] = kLowest;
  }
  // Keys of a tile that any of some rows sees, counted from its first.
  Range seen(const Unit& unit, int first, int end, int tile) const {
    const int early = unit.position + first / ratio, late = unit.position + (end - 1) / ratio;
    const int oldest = unit.table.window == 0 ? 0 : early - unit.table.window + 1;
    return Range{oldest, late + 1}.within(tile * kTileKeys, kTileKeys);
  }

  int num_rows, ratio, padded_dim;
  // An int8 cache: queries are integers too, and scores and weights are multiplied with what the integers stand for.
  bool has_scales;
  float *keys, *values, *weights, *queries, *key_scales, *value_scales, *query_scales, *sums, *totals, *highest;
  int32_t* starts;  // of sums of products of bytes, per row
};

// Before a row meets a higher score, its sums are made those of the new maximum.
inline void fade(const State& state, int row, float peak) {
  const Floats share = exp2_of_negative(Lanes::splat(state.highest[row] - peak));
  state.highest[row] = peak;
  float* total = state.totals + row * kLanes;
  Lanes::store(total, Lanes::mul(Lanes::load(total), share));
  float* sums = state.sums + static_cast<size_t>(row) * state.padded_dim;
  for (int e = 0; e < state.padded_dim; e += kLanes) Lanes::store(sums + e, Lanes::mul(Lanes::load(sums + e), share));
}

}  // namespace
}  // namespace weft
