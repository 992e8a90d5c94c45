// Plain C++ for any processor, slow and with the same results: the other levels are tested against it.
#include "kernels.h"

namespace weft {
namespace {

struct Isa {
  struct Bytes {
    uint8_t at[64];
  };
  struct Ints {
    int32_t at[16];
  };
  struct Floats {
    float at[16];
  };
  static constexpr int kRows = 4, kRowsOfTwoBlocks = 0, kPrefetchRows = 4;
  static constexpr int kByteOffset = 128;
  static constexpr bool kMultipliesPairs = false;
  static constexpr const char* kName = "portable";

  template <class Vector, class Function>
  static inline Vector each(Function&& function) {
    Vector result;
    for (int i = 0; i < static_cast<int>(sizeof result.at / sizeof *result.at); ++i) result.at[i] = function(i);
    return result;
  }
  static inline float float_of(uint32_t bits) {
    float value;
    __builtin_memcpy(&value, &bits, 4);
    return value;
  }
  // A number in half precision; exact. 2^-24 is the smallest that there is.
  static inline float half(const uint8_t* at) {
    const uint32_t bits = at[0] | static_cast<uint32_t>(at[1]) << 8;
    const uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 0x1fu, fraction = bits & 0x3ffu;
    if (exponent == 0) {
      const float small = static_cast<float>(fraction) * 0x1p-24f;
      return sign ? -small : small;
    }
    const uint32_t wide = exponent == 0x1fu ? 0xffu : exponent + 112u;
    return float_of(sign | wide << 23 | fraction << 13);
  }
  static inline uint32_t word(const uint8_t* at) {
    uint32_t bits;
    __builtin_memcpy(&bits, at, 4);
    return bits;
  }

  static inline Bytes load_bytes(const uint8_t* at) {
    return each<Bytes>([at](int i) { return at[i]; });
  }
  static inline Bytes low_halves(const Bytes& both) {
    return each<Bytes>([&](int i) { return static_cast<uint8_t>(both.at[i] & 0x0f); });
  }
  static inline Bytes high_halves(const Bytes& both) {
    return each<Bytes>([&](int i) { return static_cast<uint8_t>(both.at[i] >> 4); });
  }
  template <int Place>
  static inline Ints byte_of(const Bytes& bytes) {
    return each<Ints>([&](int i) { return static_cast<int32_t>(bytes.at[4 * i + Place]); });
  }
  static inline Bytes mix(const Bytes& a, const Bytes& b) {
    return each<Bytes>([&](int i) { return static_cast<uint8_t>(a.at[i] ^ b.at[i]); });
  }
  static inline Ints add(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) { return a.at[i] + b.at[i]; });
  }
  static inline Ints splat(int32_t value) {
    return each<Ints>([value](int) { return value; });
  }
  static inline Floats splat_float(float value) {
    return each<Floats>([value](int) { return value; });
  }
  static inline Floats zero() { return splat_float(0.0f); }
  static inline Floats to_floats(const Ints& values) {
    return each<Floats>([&](int i) { return static_cast<float>(values.at[i]); });
  }
  static inline Floats fma(const Floats& a, const Floats& b, const Floats& c) {
    return each<Floats>([&](int i) { return __builtin_fmaf(a.at[i], b.at[i], c.at[i]); });
  }
  static inline Floats mul(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.at[i] * b.at[i]; });
  }
  static inline Floats sum(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.at[i] + b.at[i]; });
  }
  static inline Floats load_floats(const float* at) {
    return each<Floats>([at](int i) { return at[i]; });
  }
  static inline void store(float* at, const Floats& values) { __builtin_memcpy(at, values.at, sizeof values.at); }
  static inline Floats load_halves(const uint8_t* at) {
    return each<Floats>([at](int i) { return half(at + 2 * i); });
  }
  static inline Ints whole_halves(const uint8_t* at) {
    return each<Ints>([at](int i) { return static_cast<int32_t>(half(at + 2 * i)); });
  }
  // Of rows that are not finite a number may be larger than it ought to be.
  static inline Ints add_scaled(const Ints& sum, const Ints& number, const Ints& whole) {
    return each<Ints>([&](int i) { return sum.at[i] + static_cast<int16_t>(number.at[i]) * whole.at[i]; });
  }
  static inline Floats even_bfloat16(const uint8_t* at) {
    return each<Floats>([at](int i) { return float_of(word(at + 4 * i) << 16); });
  }
  static inline Floats odd_bfloat16(const uint8_t* at) {
    return each<Floats>([at](int i) { return float_of(word(at + 4 * i) & 0xffff0000u); });
  }
  static inline Floats load_bfloat16(const uint16_t* at) {
    return each<Floats>([at](int i) { return float_of(static_cast<uint32_t>(at[i]) << 16); });
  }
  static inline uint32_t bits(float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, 4);
    return bits;
  }
  static inline Ints max(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) { return a.at[i] > b.at[i] ? a.at[i] : b.at[i]; });
  }
  static inline int32_t max_of(const Ints& values) {
    int32_t highest = values.at[0];
    for (int32_t value : values.at) highest = value > highest ? value : highest;
    return highest;
  }
  static inline int32_t sum_of(const Ints& values) {
    uint32_t sum = 0;  // of rows that are not finite it may be anything
    for (int32_t value : values.at) sum += static_cast<uint32_t>(value);
    return static_cast<int32_t>(sum);
  }
  static inline Ints bits_without_sign(const Floats& values) {
    return each<Ints>([&](int i) { return static_cast<int32_t>(bits(values.at[i]) & 0x7fffffffu); });
  }
  static inline Ints rounded(const Floats& values, float rounder) {
    return each<Ints>([&](int i) { return static_cast<int32_t>(bits(values.at[i] + rounder) - bits(rounder)); });
  }
  static inline void store_low_bytes(uint8_t* at, const Ints& values) {
    for (int i = 0; i < kColumns; ++i) at[i] = static_cast<uint8_t>(values.at[i]);
  }

  static inline Ints dot_bytes(Ints sum, const Bytes& weights, const uint8_t* four) {
    for (int i = 0; i < 64; ++i) sum.at[i / 4] += weights.at[i] * static_cast<int8_t>(four[i % 4]);
    return sum;
  }
  static inline const uint8_t* broadcast(const uint8_t* four) { return four; }
  static inline Ints dot_halves(Ints sum, const Bytes& weights, const uint8_t* four) {
    return dot_bytes(sum, weights, four);
  }
  static inline Floats dot_pairs(Floats sum, const Bytes&, const uint8_t*) { return sum; }  // never asked for
};

}  // namespace
}  // namespace weft

#include "level.h"

const weft::Kernels* weft::portable_kernels() { return &kTable; }
