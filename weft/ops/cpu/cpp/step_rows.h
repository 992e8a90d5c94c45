// Operations on rows of a step, each row by itself: norms, rotation, the gate. Numbers are widened, computed in float32
// and rounded once.
#pragma once
#include "step_numbers.h"

namespace weft {
namespace {

// The sum of squares in four sums of lanes that take turns.
template <class Format>
float sum_of_squares(const typename Format::Type* x, int width) {
  Floats sums[4];
  for (Floats& each : sums) each = Lanes::splat(0.0f);
  int at = 0;
  for (; at + 4 * kLanes <= width; at += 4 * kLanes)
    for (int i = 0; i < 4; ++i) {
      const Floats values = Format::load(x + at + i * kLanes);
      sums[i] = Lanes::fma(values, values, sums[i]);
    }
  for (int i = 0; at < width; at += kLanes, ++i) {
    const Floats values = load<Format>(x + at, width - at);
    sums[i] = Lanes::fma(values, values, sums[i]);
  }
  return sum(Lanes::add(Lanes::add(sums[0], sums[1]), Lanes::add(sums[2], sums[3])));
}

template <class Format>
void norm_row(
    const typename Format::Type* x, const typename Format::Type* weight, int width, float eps,
    typename Format::Type* out) {
  const float mean = sum_of_squares<Format>(x, width) / static_cast<float>(width);
  const Floats scale = Lanes::splat(1.0f / __builtin_sqrtf(mean + eps));
  for (int at = 0; at < width; at += kLanes) {
    const Floats scaled = Lanes::mul(load<Format>(x + at, width - at), scale);
    store<Format>(out + at, Lanes::mul(scaled, load<Format>(weight + at, width - at)), width - at);
  }
}

template <class Format>
void norm_rows(const Rows& x, const void* weight, float eps, void* output, int first, int end) {
  using Type = typename Format::Type;
  for (int index = first; index < end; ++index)
    for (int part = 0; part < x.parts; ++part) {
      Type* out = static_cast<Type*>(output) + (static_cast<int64_t>(index) * x.parts + part) * x.width;
      norm_row<Format>(row<Format>(x, index, part), static_cast<const Type*>(weight), x.width, eps, out);
    }
}

// The norm is that of the sum as it is stored.
template <class Format>
void add_norm_rows(
    const Rows& x, const Rows& y, const void* weight, float eps, void* stream, void* output, int first, int end) {
  using Type = typename Format::Type;
  for (int index = first; index < end; ++index) {
    const Type *a = row<Format>(x, index), *b = row<Format>(y, index);
    Type* added = static_cast<Type*>(stream) + static_cast<int64_t>(index) * x.width;
    for (int at = 0; at < x.width; at += kLanes) {
      const int count = x.width - at;
      store<Format>(added + at, Lanes::add(load<Format>(a + at, count), load<Format>(b + at, count)), count);
    }
    Type* out = static_cast<Type*>(output) + static_cast<int64_t>(index) * x.width;
    norm_row<Format>(added, static_cast<const Type*>(weight), x.width, eps, out);
  }
}

// The halves of a vector are pairs (a, b), which become (a cos - b sin, b cos + a sin).
template <class Format>
void rotate_rows(const Rows& x, const Rows& cosines, const Rows& sines, void* output, int first, int end) {
  using Type = typename Format::Type;
  const int half = x.width / 2;
  for (int index = first; index < end; ++index) {
    const Type *cos = row<Format>(cosines, index), *sin = row<Format>(sines, index);
    for (int part = 0; part < x.parts; ++part) {
      const Type* in = row<Format>(x, index, part);
      Type* out = static_cast<Type*>(output) + (static_cast<int64_t>(index) * x.parts + part) * x.width;
      for (int at = 0; at < half; at += kLanes) {
        const int count = half - at;
        const Floats low = load<Format>(in + at, count), high = load<Format>(in + half + at, count);
        const Floats low_cos = load<Format>(cos + at, count), high_cos = load<Format>(cos + half + at, count);
        const Floats low_sin = load<Format>(sin + at, count), high_sin = load<Format>(sin + half + at, count);
        const Floats minus = Lanes::sub(Lanes::splat(0.0f), Lanes::mul(high, low_sin));
        store<Format>(out + at, Lanes::fma(low, low_cos, minus), count);
        store<Format>(out + half + at, Lanes::fma(high, high_cos, Lanes::mul(low, high_sin)), count);
      }
    }
  }
}

// silu(a) * b of rows that hold a and b: a / (1 + e^-a) * b.
template <class Format>
void gate_rows(const Rows& both, void* output, int first, int end) {
  using Type = typename Format::Type;
  for (int index = first; index < end; ++index) {
    const Type *a = row<Format>(both, index), *b = row<Format>(both, index, 1);
    Type* out = static_cast<Type*>(output) + static_cast<int64_t>(index) * both.width;
    for (int at = 0; at < both.width; at += kLanes) {
      const int count = both.width - at;
      const Floats gate = load<Format>(a + at, count);
      const Floats below = Lanes::add(Lanes::splat(1.0f), exponential(Lanes::sub(Lanes::splat(0.0f), gate)));
      store<Format>(out + at, Lanes::mul(Lanes::div(gate, below), load<Format>(b + at, count)), count);
    }
  }
}

void norm(Number number, const Rows& x, const void* weight, float eps, void* output, int first, int end) {
  if (number == Number::float32) norm_rows<Wide>(x, weight, eps, output, first, end);
  else norm_rows<Narrow>(x, weight, eps, output, first, end);
}

void add_norm(
    Number number, const Rows& x, const Rows& y, const void* weight, float eps, void* stream, void* output, int first,
    int end) {
  if (number == Number::float32) add_norm_rows<Wide>(x, y, weight, eps, stream, output, first, end);
  else add_norm_rows<Narrow>(x, y, weight, eps, stream, output, first, end);
}

void rotate(Number number, const Rows& x, const Rows& cosines, const Rows& sines, void* output, int first, int end) {
  if (number == Number::float32) rotate_rows<Wide>(x, cosines, sines, output, first, end);
  else rotate_rows<Narrow>(x, cosines, sines, output, first, end);
}

void gate(Number number, const Rows& both, void* output, int first, int end) {
  if (number == Number::float32) gate_rows<Wide>(both, output, first, end);
  else gate_rows<Narrow>(both, output, first, end);
}

}  // namespace
}  // namespace weft
