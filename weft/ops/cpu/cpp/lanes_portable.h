// Sixteen lanes in plain C++, with the same results bit by bit.
#pragma once
#include <cstdint>
#include <cstring>

namespace weft {
namespace {

struct Lanes {
  struct Floats {
    float at[16];
  };
  struct Words {
    uint32_t at[16];
  };
  static constexpr int kRows = 2, kVectors = 1;
  static constexpr const char* kName = "portable";

  template <class Vector, class Function>
  static inline Vector each(Function&& function) {
    Vector result;
    for (int i = 0; i < 16; ++i) result.at[i] = function(i);
    return result;
  }
  template <class To, class From>
  static inline To bits_as(const From& from) {
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
  }

  static inline Floats splat(float value) {
    return each<Floats>([=](int) { return value; });
  }
  static inline Floats load(const float* at) { return bits_as<Floats>(*reinterpret_cast<const char(*)[64]>(at)); }
  static inline void store(float* at, const Floats& values) { memcpy(at, values.at, sizeof values.at); }
  static inline Floats add(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.at[i] + b.at[i]; });
  }
  static inline Floats sub(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.at[i] - b.at[i]; });
  }
  static inline Floats mul(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.at[i] * b.at[i]; });
  }
  static inline Floats div(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.at[i] / b.at[i]; });
  }
  static inline Floats fma(const Floats& a, const Floats& b, const Floats& c) {
    return each<Floats>([&](int i) { return __builtin_fmaf(a.at[i], b.at[i], c.at[i]); });
  }
  static inline Floats max(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.at[i] > b.at[i] ? a.at[i] : b.at[i]; });
  }
  static inline Floats min(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.at[i] < b.at[i] ? a.at[i] : b.at[i]; });
  }
  static inline float highest(const Floats& values) {
    float found = values.at[0];
    for (float value : values.at) found = value > found ? value : found;
    return found;
  }
  static inline Floats where_less(const Floats& a, const Floats& b, const Floats& then, const Floats& otherwise) {
    return each<Floats>([&](int i) { return a.at[i] < b.at[i] ? then.at[i] : otherwise.at[i]; });
  }
  static inline Floats only(const Floats& values, int low, int high, const Floats& filled) {
    return each<Floats>([&](int i) { return i >= low && i < high ? values.at[i] : filled.at[i]; });
  }

  static inline Words load_words(const uint8_t* at) { return bits_as<Words>(*reinterpret_cast<const char(*)[64]>(at)); }
  static inline void store_words(void* at, const Words& words) { memcpy(at, words.at, sizeof words.at); }
  static inline Words splat_words(uint32_t value) {
    return each<Words>([=](int) { return value; });
  }
  static inline Words splat_four(const int8_t* four) {
    return splat_words(bits_as<uint32_t>(*reinterpret_cast<const char(*)[4]>(four)));
  }
  static inline Words xor_words(const Words& a, uint32_t b) {
    return each<Words>([&](int i) { return a.at[i] ^ b; });
  }
  // Four unsigned bytes times four signed ones, added up in each lane.
  static inline Words dot(const Words& sum, const Words& bytes, const Words& four) {
    return each<Words>([&](int i) {
      int32_t total = static_cast<int32_t>(sum.at[i]);
      for (int shift = 0; shift < 32; shift += 8)
        total += static_cast<int32_t>(bytes.at[i] >> shift & 0xffu) * static_cast<int8_t>(four.at[i] >> shift & 0xffu);
      return static_cast<uint32_t>(total);
    });
  }
  static inline Words words_of(const Floats& values) { return bits_as<Words>(values); }
  static inline Floats floats_of(const Words& words) { return bits_as<Floats>(words); }
  static inline Floats to_floats(const Words& words) {
    return each<Floats>([&](int i) { return static_cast<float>(static_cast<int32_t>(words.at[i])); });
  }
  static inline Words add_words(const Words& a, uint32_t b) {
    return each<Words>([&](int i) { return a.at[i] + b; });
  }
  static inline Words and_words(const Words& a, uint32_t b) {
    return each<Words>([&](int i) { return a.at[i] & b; });
  }
  template <int N> static inline Words up(const Words& words) {
    return each<Words>([&](int i) { return words.at[i] << N; });
  }

  static inline Floats load_narrow(const uint16_t* at) {
    return floats_of(each<Words>([=](int i) { return static_cast<uint32_t>(at[i]) << 16; }));
  }
  static inline void store_narrow(uint16_t* at, const Floats& values) {
    const Words bits = words_of(values);
    for (int i = 0; i < 16; ++i) {
      const uint32_t rounded = bits.at[i] + 0x7fffu + (bits.at[i] >> 16 & 1u);
      at[i] = static_cast<uint16_t>((values.at[i] != values.at[i] ? bits.at[i] | 0x400000u : rounded) >> 16);
    }
  }
  static inline Floats load_bytes(const int8_t* at) {
    return each<Floats>([=](int i) { return static_cast<float>(at[i]); });
  }
  static inline void store_bytes(int8_t* at, const Words& words) {
    for (int i = 0; i < 16; ++i) at[i] = static_cast<int8_t>(words.at[i]);
  }
  static inline void transpose(Words (&w)[16]) {
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < i; ++j) {
        const uint32_t kept = w[i].at[j];
        w[i].at[j] = w[j].at[i];
        w[j].at[i] = kept;
      }
  }
};

}  // namespace
}  // namespace weft
