// Sixteen lanes of AVX-512 (F, BW, DQ, VL). Defined by who includes this: WEFT_VNNI, for products of bytes.
#pragma once
#include "avx512_bfloat16.h"

namespace weft {
namespace {

struct Lanes {
  using Floats = __m512;
  using Words = __m512i;
  static constexpr int kRows = 6, kVectors = 4;  // of a product whose sums lie in registers
  // Four unsigned bytes times four signed ones, added up in each lane.
#ifdef WEFT_VNNI
  static constexpr const char* kName = "avx512_vnni";
  static inline Words dot(Words sum, Words bytes, Words four) { return _mm512_dpbusd_epi32(sum, bytes, four); }
#else
  static constexpr const char* kName = "avx512";
  static inline Words dot(Words sum, Words bytes, Words four) {
    const __m512i even = _mm512_and_si512(bytes, _mm512_set1_epi16(0xff)), odd = _mm512_srli_epi16(bytes, 8);
    const __m512i four_even = _mm512_srai_epi16(_mm512_slli_epi16(four, 8), 8), four_odd = _mm512_srai_epi16(four, 8);
    return _mm512_add_epi32(sum, _mm512_add_epi32(_mm512_madd_epi16(even, four_even), _mm512_madd_epi16(odd, four_odd)));
  }
#endif

  static inline Floats splat(float value) { return _mm512_set1_ps(value); }
  static inline Floats load(const float* at) { return _mm512_loadu_ps(at); }
  static inline void store(float* at, Floats values) { _mm512_storeu_ps(at, values); }
  static inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static inline Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static inline Floats div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
  static inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  // b where either is no number.
  static inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  static inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
  static inline float highest(Floats values) { return _mm512_reduce_max_ps(values); }
  // `then` where a < b, else `otherwise`.
  static inline Floats where_less(Floats a, Floats b, Floats then, Floats otherwise) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), otherwise, then);
  }
  // Lanes `low` to `high` as they are, the others filled; both are within 0 to 16.
  static inline Floats only(Floats values, int low, int high, Floats filled) {
    const uint32_t mask = ((1u << high) - 1u) & ~((1u << low) - 1u);
    return _mm512_mask_blend_ps(static_cast<__mmask16>(mask), filled, values);
  }

  static inline Words load_words(const uint8_t* at) { return _mm512_loadu_si512(at); }
  static inline void store_words(void* at, Words words) { _mm512_storeu_si512(at, words); }
  static inline Words splat_words(uint32_t value) { return _mm512_set1_epi32(static_cast<int>(value)); }
  static inline Words splat_four(const int8_t* four) {
    int32_t bits;
    __builtin_memcpy(&bits, four, 4);
    return _mm512_set1_epi32(bits);
  }
  static inline Words xor_words(Words a, uint32_t b) { return _mm512_xor_si512(a, splat_words(b)); }
  static inline Words words_of(Floats values) { return _mm512_castps_si512(values); }
  static inline Floats floats_of(Words words) { return _mm512_castsi512_ps(words); }
  static inline Floats to_floats(Words words) { return _mm512_cvtepi32_ps(words); }
  static inline Words add_words(Words a, uint32_t b) { return _mm512_add_epi32(a, _mm512_set1_epi32(static_cast<int>(b))); }
  static inline Words and_words(Words a, uint32_t b) { return _mm512_and_si512(a, _mm512_set1_epi32(static_cast<int>(b))); }
  template <int N> static inline Words up(Words words) { return _mm512_slli_epi32(words, N); }

  static inline Floats load_narrow(const uint16_t* at) { return load_bfloat16_lanes(at); }
  static inline void store_narrow(uint16_t* at, Floats values) { store_bfloat16_lanes(at, values); }
  static inline Floats load_bytes(const int8_t* at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
  }
  // The low bytes.
  static inline void store_bytes(int8_t* at, Words words) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm512_cvtepi32_epi8(words));
  }

  // Word i of vector j becomes word j of vector i.
  static inline void transpose(Words (&w)[16]) {
    __m512i a[16];
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) {
      a[2 * i] = _mm512_unpacklo_epi32(w[2 * i], w[2 * i + 1]);
      a[2 * i + 1] = _mm512_unpackhi_epi32(w[2 * i], w[2 * i + 1]);
    }
    // Of four rows: w[4q + n] holds their words n, 4 + n, 8 + n, 12 + n, each four side by side.
#pragma GCC unroll 16
    for (int q = 0; q < 4; ++q) {
      w[4 * q] = _mm512_unpacklo_epi64(a[4 * q], a[4 * q + 2]);
      w[4 * q + 1] = _mm512_unpackhi_epi64(a[4 * q], a[4 * q + 2]);
      w[4 * q + 2] = _mm512_unpacklo_epi64(a[4 * q + 1], a[4 * q + 3]);
      w[4 * q + 3] = _mm512_unpackhi_epi64(a[4 * q + 1], a[4 * q + 3]);
    }
#pragma GCC unroll 16
    for (int n = 0; n < 4; ++n) {
      const __m512i low01 = _mm512_shuffle_i32x4(w[n], w[4 + n], 0x88), odd01 = _mm512_shuffle_i32x4(w[n], w[4 + n], 0xdd);
      const __m512i low23 = _mm512_shuffle_i32x4(w[8 + n], w[12 + n], 0x88);
      const __m512i odd23 = _mm512_shuffle_i32x4(w[8 + n], w[12 + n], 0xdd);
      a[n] = _mm512_shuffle_i32x4(low01, low23, 0x88);
      a[8 + n] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
      a[4 + n] = _mm512_shuffle_i32x4(odd01, odd23, 0x88);
      a[12 + n] = _mm512_shuffle_i32x4(odd01, odd23, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) w[i] = a[i];
  }
};

}  // namespace
}  // namespace weft
