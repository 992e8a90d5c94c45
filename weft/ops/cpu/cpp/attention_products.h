// Products of queries and keys, and of weights and values, for a few rows and columns with the sums in registers.
#pragma once
#include "attention_state.h"

#if defined(__clang__)
#define WEFT_UNROLLED _Pragma("unroll")
#else
#define WEFT_UNROLLED _Pragma("GCC unroll 16")
#endif

namespace weft {
namespace {

// Rows of a panel.
struct Panel {
  const float* values;
  int stride;
  Floats load(int row, int column) const { return Lanes::load(values + static_cast<size_t>(row) * stride + column); }
};

// Rows as the cache has them, `width` numbers each. `kWhole`: these are whole vectors.
template <class Format, bool kWhole>
struct Kept {
  const uint8_t* const* rows;
  int width;
  Floats load(int row, int column) const {
    return kWhole ? Format::load(rows[row] + column * (4 / Format::kNumbers)) : load_some<Format>(rows[row], column, width);
  }
};

// out[r][c] (+)= a[r][i] b[i][c] over i from first to last, fused one by one.
template <int R, int C, class Source>
__attribute__((noinline)) void product(
    const float* a, int a_stride, Source b, int column, float* out, int out_stride, Range inner, bool is_fresh) {
  Floats sums[R][C];
  WEFT_UNROLLED
  for (int r = 0; r < R; ++r)
    WEFT_UNROLLED
    for (int c = 0; c < C; ++c)
      sums[r][c] = is_fresh ? Lanes::splat(0.0f) : Lanes::load(out + static_cast<size_t>(r) * out_stride + c * kLanes);
  for (int i = inner.low; i < inner.high; ++i) {
    Floats columns[C];
    WEFT_UNROLLED
    for (int c = 0; c < C; ++c) columns[c] = b.load(i, column + c * kLanes);
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

template <int R, class Source, int C = Lanes::kVectors>
void multiply_columns(const Matrix& a, Source b, const Matrix& out, Range vectors, Range inner, bool is_fresh) {
  int at = vectors.low;
  for (; at + C <= vectors.high; at += C)
    product<R, C>(a.values, a.stride, b, at * kLanes, out.values + at * kLanes, out.stride, inner, is_fresh);
  if constexpr (C > 1)
    if (at < vectors.high) multiply_columns<R, Source, C - 1>(a, b, out, {at, vectors.high}, inner, is_fresh);
}

// Of so many rows; `vectors`: which columns, by sixteens.
template <class Source, int R = Lanes::kRows>
void multiply(int rows, const Matrix& a, Source b, const Matrix& out, Range vectors, Range inner, bool is_fresh) {
  if (rows == R) return multiply_columns<R>(a, b, out, vectors, inner, is_fresh);
  if constexpr (R > 1) multiply<Source, R - 1>(rows, a, b, out, vectors, inner, is_fresh);
}

inline int8_t* query_bytes(const State& state, int row) {
  return reinterpret_cast<int8_t*>(state.queries) + static_cast<size_t>(row) * state.padded_dim;
}

// The same for queries and keys in bytes, four products at once: exact sums, so in any order. Vectors of `keys`: four
// numbers of sixteen keys.
template <int R, int C>
__attribute__((noinline)) void dots(const State& state, int first, int vector, int num_quads) {
  Words sums[R][C];
  WEFT_UNROLLED
  for (int r = 0; r < R; ++r)
    WEFT_UNROLLED
    for (int c = 0; c < C; ++c) sums[r][c] = Lanes::splat_words(static_cast<uint32_t>(state.starts[first + r]));
  const int8_t* queries = query_bytes(state, first);
  const uint8_t* keys = reinterpret_cast<const uint8_t*>(state.keys + vector * kLanes);
  for (int quad = 0; quad < num_quads; ++quad, keys += kTileKeys * sizeof(float)) {
    Words words[C];
    WEFT_UNROLLED
    for (int c = 0; c < C; ++c) words[c] = Lanes::load_words(keys + c * kLanes * sizeof(float));
    WEFT_UNROLLED
    for (int r = 0; r < R; ++r) {
      const Words four = Lanes::splat_four(queries + static_cast<size_t>(r) * state.padded_dim + 4 * quad);
      WEFT_UNROLLED
      for (int c = 0; c < C; ++c) sums[r][c] = Lanes::dot(sums[r][c], words[c], four);
    }
  }
  WEFT_UNROLLED
  for (int r = 0; r < R; ++r)
    WEFT_UNROLLED
    for (int c = 0; c < C; ++c)
      Lanes::store(
          state.weights + static_cast<size_t>(first + r) * kTileKeys + (vector + c) * kLanes,
          Lanes::to_floats(sums[r][c]));
}

template <int R, int C = Lanes::kVectors>
void dot_columns(const State& state, int first, Range vectors, int num_quads) {
  int at = vectors.low;
  for (; at + C <= vectors.high; at += C) dots<R, C>(state, first, at, num_quads);
  if constexpr (C > 1)
    if (at < vectors.high) dot_columns<R, C - 1>(state, first, {at, vectors.high}, num_quads);
}

template <int R = Lanes::kRows>
void dot_rows(int rows, const State& state, int first, Range vectors, int num_quads) {
  if (rows == R) return dot_columns<R>(state, first, vectors, num_quads);
  if constexpr (R > 1) dot_rows<R - 1>(rows, state, first, vectors, num_quads);
}

}  // namespace
}  // namespace weft
