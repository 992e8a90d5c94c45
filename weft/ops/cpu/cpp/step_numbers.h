// Numbers as lanes: formats of activations, fixed sums, exponentials. Included after a level's `Lanes`.
//
// All here gives the same bits on every level: what is added in which order does not depend on the width of vectors.
#pragma once
#include <cstring>

#include "step_kernels.h"

namespace weft {
namespace {

using Floats = Lanes::Floats;
using Words = Lanes::Words;

struct Wide {
  using Type = float;
  static inline Floats load(const float* at) { return Lanes::load(at); }
  static inline void store(float* at, Floats values) { Lanes::store(at, values); }
};

struct Narrow {
  using Type = uint16_t;
  static inline Floats load(const uint16_t* at) { return Lanes::load_narrow(at); }
  static inline void store(uint16_t* at, Floats values) { Lanes::store_narrow(at, values); }
};

// The first `count` of 16; zeros for the others.
template <class Format>
inline Floats load(const typename Format::Type* at, int count) {
  if (count >= kLanes) return Format::load(at);
  typename Format::Type some[kLanes] = {};
  memcpy(some, at, static_cast<size_t>(count) * sizeof *at);
  return Format::load(some);
}

template <class Format>
inline void store(typename Format::Type* at, Floats values, int count) {
  if (count >= kLanes) return Format::store(at, values);
  typename Format::Type some[kLanes];
  Format::store(some, values);
  memcpy(at, some, static_cast<size_t>(count) * sizeof *at);
}

template <class Format>
inline const typename Format::Type* row(const Rows& rows, int index, int part = 0) {
  const auto* values = static_cast<const typename Format::Type*>(rows.values);
  return values + static_cast<int64_t>(index) * rows.stride + static_cast<int64_t>(part) * rows.width;
}

// Lanes added by halves.
inline float sum(Floats values) {
  float lanes[kLanes];
  Lanes::store(lanes, values);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: leaves the nearest integer in the low bits

// e^r for |r| <= ln(2) / 2: the series up to r^7, whose rest is below 6e-9 of the result.
inline Floats small_exponential(Floats r) {
  Floats p = Lanes::splat(1.0f / 5040.0f);
  p = Lanes::fma(p, r, Lanes::splat(1.0f / 720.0f));
  p = Lanes::fma(p, r, Lanes::splat(1.0f / 120.0f));
  p = Lanes::fma(p, r, Lanes::splat(1.0f / 24.0f));
  p = Lanes::fma(p, r, Lanes::splat(1.0f / 6.0f));
  p = Lanes::fma(p, r, Lanes::splat(0.5f));
  p = Lanes::fma(p, r, Lanes::splat(1.0f));
  return Lanes::fma(p, r, Lanes::splat(1.0f));
}

// 2^n of the integer that `kRounder` was added to.
inline Floats power_of_two(Floats rounded) {
  return Lanes::floats_of(Lanes::add_words(Lanes::up<23>(Lanes::words_of(rounded)), 0x3f800000u));
}

// 2^x for x <= 0, within two units in the last place; 0 below -125, exactly 1 at 0. A NaN stays one.
inline Floats exp2_of_negative(Floats x) {
  const Floats bounded = Lanes::max(Lanes::splat(-126.0f), x);
  const Floats rounded = Lanes::add(bounded, Lanes::splat(kRounder));
  const Floats rest = Lanes::sub(bounded, Lanes::sub(rounded, Lanes::splat(kRounder)));
  const Floats p = small_exponential(Lanes::mul(rest, Lanes::splat(0.693147180559945f)));
  return Lanes::where_less(x, Lanes::splat(-125.0f), Lanes::splat(0.0f), Lanes::mul(p, power_of_two(rounded)));
}

// e^x within two units in the last place; 0 below -87, infinite above 88. ln(2) in two parts, the first with few digits,
// so that its multiples are exact.
inline Floats exponential(Floats x) {
  const Floats bounded = Lanes::min(Lanes::splat(88.0f), Lanes::max(Lanes::splat(-87.0f), x));
  const Floats rounded = Lanes::fma(bounded, Lanes::splat(1.44269504088896f), Lanes::splat(kRounder));
  const Floats times = Lanes::sub(rounded, Lanes::splat(kRounder));
  Floats rest = Lanes::fma(times, Lanes::splat(-0.693359375f), bounded);
  rest = Lanes::fma(times, Lanes::splat(2.12194440e-4f), rest);
  const Floats found = Lanes::mul(small_exponential(rest), power_of_two(rounded));
  const Floats not_low = Lanes::where_less(x, Lanes::splat(-87.0f), Lanes::splat(0.0f), found);
  return Lanes::where_less(Lanes::splat(88.0f), x, Lanes::splat(__builtin_inff()), not_low);
}

}  // namespace
}  // namespace weft
