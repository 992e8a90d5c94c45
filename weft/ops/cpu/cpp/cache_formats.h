// Keys and values as the cache holds them: how they are kept, and widened to panels of float32 that products read.
#pragma once
#include "step_numbers.h"

namespace weft {
namespace {

// Words of four bytes hold `kNumbers` numbers of a key; `unpack` gives the lanes of number i, of floats.
struct CacheWide {
  using Numbers = Wide;
  static constexpr int kNumbers = 1;
  static constexpr bool kHasScale = false;
  template <int I> static inline Floats unpack(Words words) { return Lanes::floats_of(words); }
  static inline Floats load(const uint8_t* at) { return Wide::load(reinterpret_cast<const float*>(at)); }
};

struct CacheNarrow {
  using Numbers = Narrow;
  static constexpr int kNumbers = 2;
  static constexpr bool kHasScale = false;
  template <int I> static inline Floats unpack(Words words) {
    return Lanes::floats_of(I == 0 ? Lanes::up<16>(words) : Lanes::and_words(words, 0xffff0000u));
  }
  static inline Floats load(const uint8_t* at) { return Narrow::load(reinterpret_cast<const uint16_t*>(at)); }
};

struct CacheBytes {
  static constexpr int kNumbers = 4;
  static constexpr bool kHasScale = true;
  static inline Floats load(const uint8_t* at) { return Lanes::load_bytes(reinterpret_cast<const int8_t*>(at)); }
};

inline float scale_at(const uint8_t* head, int head_dim) {
  float scale;
  memcpy(&scale, head + head_dim, sizeof scale);
  return scale;
}

// What one step of int8 is of a head's numbers: the largest magnitude becomes 127. Where one is not finite, NaN.
template <class Format>
float step_of(const typename Format::Type* from, int width) {
  Floats peaks = Lanes::splat(0.0f), sound = Lanes::splat(0.0f);
  for (int at = 0; at < width; at += kLanes) {
    const Floats values = load<Format>(from + at, width - at);
    const Floats negative = Lanes::sub(Lanes::splat(0.0f), values);
    peaks = Lanes::max(Lanes::max(values, negative), peaks);
    sound = Lanes::fma(values, Lanes::splat(0.0f), sound);
  }
  return sum(sound) == 0.0f ? Lanes::highest(peaks) / 127.0f : __builtin_nanf("");
}

// Numbers in steps, rounded to integers, with `kRounder` added. Zeros where the step is zero, or none.
template <class Format>
inline Floats in_steps(const typename Format::Type* from, int count, float step) {
  if (!(step > 0.0f)) return Lanes::splat(kRounder);
  const Floats steps = Lanes::div(load<Format>(from, count), Lanes::splat(step));
  const Floats bounded = Lanes::max(Lanes::splat(-127.0f), Lanes::min(Lanes::splat(127.0f), steps));
  return Lanes::add(bounded, Lanes::splat(kRounder));
}

template <class Format>
void narrow_head(const typename Format::Type* from, int width, uint8_t* to) {
  const float scale = step_of<Format>(from, width);
  memcpy(to + width, &scale, sizeof scale);
  for (int at = 0; at < width; at += kLanes) {
    int8_t bytes[kLanes];
    Lanes::store_bytes(bytes, Lanes::words_of(in_steps<Format>(from + at, width - at, scale)));
    memcpy(to + at, bytes, static_cast<size_t>(width - at < kLanes ? width - at : kLanes));
  }
}

template <class Format>
void keep_heads(const Rows& rows, int index, CacheFormat format, int head_bytes, uint8_t* slot) {
  for (int head = 0; head < rows.parts; ++head, slot += head_bytes) {
    const auto* from = row<Format>(rows, index, head);
    if (format == CacheFormat::int8) narrow_head<Format>(from, rows.width, slot);
    else memcpy(slot, from, static_cast<size_t>(head_bytes));
  }
}

void keep(const Attention& layer, int index, int64_t slot) {
  const Cache& cache = layer.cache;
  const size_t at = static_cast<size_t>(slot) * cache.slot_bytes();
  const auto keep_row = layer.number == Number::float32 ? keep_heads<Wide> : keep_heads<Narrow>;
  keep_row(layer.keys, index, cache.format, cache.head_bytes, cache.keys + at);
  keep_row(layer.values, index, cache.format, cache.head_bytes, cache.values + at);
}

// 64 bytes of a head; zeros behind its end, and of none.
inline Words head_words(const uint8_t* head, int at, int end) {
  if (head != nullptr && at + 64 <= end) return Lanes::load_words(head + at);
  uint8_t some[64] = {};
  if (head != nullptr) memcpy(some, head + at, static_cast<size_t>(end - at));
  return Lanes::load_words(some);
}

template <class Format, int I = 0>
inline void store_numbers(Words words, int number, int head_dim, float* panel) {
  if constexpr (I < Format::kNumbers) {
    if (number + I < head_dim) Lanes::store(panel + I * kTileKeys, Format::template unpack<I>(words));
    store_numbers<Format, I + 1>(words, number, head_dim, panel);
  }
}

// Sixteen keys (null: none) to columns of a panel [head_dim][kTileKeys]; int8 to
// columns of words [head_dim / 4][kTileKeys] of four numbers, with 128 added to each.
template <class Format>
void widen_keys(const uint8_t* const* heads, int head_dim, float* panel) {
  const int head_bytes = head_dim * 4 / Format::kNumbers;
  for (int at = 0; at < head_bytes; at += 64) {
    Words words[kLanes];
    for (int i = 0; i < kLanes; ++i) words[i] = head_words(heads[i], at, head_bytes);
    Lanes::transpose(words);
    const int first = at * Format::kNumbers / 4;
    for (int i = 0; i < kLanes; ++i) {
      const int number = first + i * Format::kNumbers;
      if (number >= head_dim) break;
      if constexpr (Format::kHasScale)
        Lanes::store_words(panel + static_cast<size_t>(number) / 4 * kTileKeys, Lanes::xor_words(words[i], 0x80808080u));
      else
        store_numbers<Format>(words[i], number, head_dim, panel + static_cast<size_t>(number) * kTileKeys);
    }
  }
}

// Numbers of a head from `at` on; zeros behind its end.
template <class Format>
inline Floats load_some(const uint8_t* head, int at, int head_dim) {
  constexpr int kBytes = 4 / Format::kNumbers;
  if (at + kLanes <= head_dim) return Format::load(head + at * kBytes);
  uint8_t some[kLanes * kBytes] = {};
  memcpy(some, head + at * kBytes, static_cast<size_t>(head_dim - at) * kBytes);
  return Format::load(some);
}

// A value to a row of a panel, padded with zeros. Adds zero times each number to `sound`: a NaN if one is not finite.
template <class Format>
inline Floats widen_value(const uint8_t* head, int head_dim, float* panel, Floats sound) {
  for (int at = 0; at < head_dim; at += kLanes) {
    const Floats values = load_some<Format>(head, at, head_dim);
    if (!Format::kHasScale) sound = Lanes::fma(values, Lanes::splat(0.0f), sound);
    Lanes::store(panel + at, values);
  }
  return sound;
}

}  // namespace
}  // namespace weft
