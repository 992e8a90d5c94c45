// What a unit of attention works on: its queries, a tile of keys and values as panels, running sums; and their products.
#pragma once
#include "cache_formats.h"

#if defined(__clang__)
#define WEFT_UNROLLED _Pragma("unroll")
#else
#define WEFT_UNROLLED _Pragma("GCC unroll 16")
#endif

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
      : num_rows(num_queries * layer.heads_per_group()), ratio(layer.heads_per_group()), padded_dim(layer.padded_dim()) {
    const size_t dim = static_cast<size_t>(padded_dim);
    keys = scratch;
    values = keys + dim * kTileKeys;
    weights = values + dim * kTileKeys;
    queries = weights + static_cast<size_t>(num_rows) * kTileKeys;
    keep_in(queries + num_rows * dim);
  }
  size_t partial_floats() const { return static_cast<size_t>(num_rows) * (padded_dim + kLanes) + (num_rows + 15) / 16 * 16; }
  size_t all_floats() const {
    return static_cast<size_t>(padded_dim) * (2 * kTileKeys + num_rows) + static_cast<size_t>(num_rows) * kTileKeys +
           2 * partial_floats();
  }
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
  float *keys, *values, *weights, *queries, *sums, *totals, *highest;
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

// out[r][c] (+)= a[r][i] b[i][c] over i from first to last, fused one by one.
template <int R, int C>
__attribute__((noinline)) void product(
    const float* a, int a_stride, const float* b, int b_stride, float* out, int out_stride, Range inner, bool is_fresh) {
  Floats sums[R][C];
  WEFT_UNROLLED
  for (int r = 0; r < R; ++r)
    WEFT_UNROLLED
    for (int c = 0; c < C; ++c)
      sums[r][c] = is_fresh ? Lanes::splat(0.0f) : Lanes::load(out + static_cast<size_t>(r) * out_stride + c * kLanes);
  for (int i = inner.low; i < inner.high; ++i) {
    const float* row = b + static_cast<size_t>(i) * b_stride;
    Floats columns[C];
    WEFT_UNROLLED
    for (int c = 0; c < C; ++c) columns[c] = Lanes::load(row + c * kLanes);
    WEFT_UNROLLED
    for (int r = 0; r < R; ++r) {
      const Floats factor = Lanes::splat(a[static_cast<size_t>(r) * a_stride + i]);
      WEFT_UNROLLED
      for (int c = 0; c < C; ++c) sums[r][c] = Lanes::fma(factor, columns[c], sums[r][c]);
    }
  }
  WEFT_UNROLLED
  for (int r = 0; r < R; ++r)
    WEFT_UNROLLED
    for (int c = 0; c < C; ++c) Lanes::store(out + static_cast<size_t>(r) * out_stride + c * kLanes, sums[r][c]);
}

template <int R, int C = Lanes::kVectors>
void multiply_columns(const Matrix& a, const Matrix& b, const Matrix& out, Range vectors, Range inner, bool is_fresh) {
  int at = vectors.low;
  for (; at + C <= vectors.high; at += C)
    product<R, C>(a.values, a.stride, b.values + at * kLanes, b.stride, out.values + at * kLanes, out.stride, inner, is_fresh);
  if constexpr (C > 1)
    if (at < vectors.high) multiply_columns<R, C - 1>(a, b, out, {at, vectors.high}, inner, is_fresh);
}

// Of so many rows; `vectors`: which columns, by sixteens.
template <int R = Lanes::kRows>
void multiply(
    int rows, const Matrix& a, const Matrix& b, const Matrix& out, Range vectors, Range inner, bool is_fresh) {
  if (rows == R) return multiply_columns<R>(a, b, out, vectors, inner, is_fresh);
  if constexpr (R > 1) multiply<R - 1>(rows, a, b, out, vectors, inner, is_fresh);
}

// Queries times the scale of scores; powers of two are cheaper than those of e.
template <class Format>
void load_query_rows(const Attention& layer, const Unit& unit, int group, const State& state) {
  const int width = layer.cache.head_dim;
  const Floats scale = Lanes::splat(layer.scale * 1.44269504088896f);
  for (int r = 0; r < state.num_rows; ++r) {
    const auto* from = row<Format>(layer.queries, unit.row + r / state.ratio, group * state.ratio + r % state.ratio);
    float* to = state.queries + static_cast<size_t>(r) * width;
    for (int e = 0; e < width; e += kLanes) store<Wide>(to + e, Lanes::mul(load<Format>(from + e, width - e), scale), width - e);
  }
}

inline void load_queries(const Attention& layer, const Unit& unit, int group, const State& state) {
  if (layer.number == Number::float32) load_query_rows<Wide>(layer, unit, group, state);
  else load_query_rows<Narrow>(layer, unit, group, state);
}

// Keys and values that some row sees, as panels, and zeros around them. Returns whether all values are finite.
template <class Format>
bool widen_seen(const Attention& layer, const Unit& unit, int group, const State& state, int tile, Range seen) {
  const Cache& cache = layer.cache;
  const Table& table = unit.table;
  const size_t offset = static_cast<size_t>(group) * cache.head_bytes;
  Floats sound = Lanes::splat(0.0f);
  for (int first = seen.low / kLanes * kLanes; first < seen.high; first += kLanes) {
    const uint8_t* heads[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      const int key = first + i, position = tile * kTileKeys + key;
      float* value = state.values + static_cast<size_t>(key) * state.padded_dim;
      heads[i] = nullptr;
      if (key < seen.low || key >= seen.high) {
        memset(value, 0, static_cast<size_t>(state.padded_dim) * sizeof *value);
        continue;
      }
      const int64_t block = table.blocks[position / table.block_tokens];
      const size_t slot = static_cast<size_t>(block) * table.block_tokens + position % table.block_tokens;
      heads[i] = cache.keys + slot * cache.slot_bytes() + offset;
      sound = widen_value<Format>(cache.values + slot * cache.slot_bytes() + offset, cache.head_dim, value, sound);
    }
    widen_keys<Format>(heads, cache.head_dim, state.keys + first);
  }
  return sum(sound) == 0.0f;
}

inline bool widen_tile(const Attention& layer, const Unit& unit, int group, const State& state, int tile, Range seen) {
  switch (layer.cache.format) {
    case CacheFormat::float32: return widen_seen<CacheWide>(layer, unit, group, state, tile, seen);
    case CacheFormat::bfloat16: return widen_seen<CacheNarrow>(layer, unit, group, state, tile, seen);
    default: return widen_seen<CacheBytes>(layer, unit, group, state, tile, seen);
  }
}

}  // namespace
}  // namespace weft
