// Sixteen lanes as two vectors of AVX2, with FMA.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace weft {
namespace {

struct Lanes {
  struct Floats {
    __m256 low, high;
  };
  struct Words {
    __m256i low, high;
  };
  static constexpr int kRows = 3, kVectors = 2;
  static constexpr const char* kName = "avx2";

  static inline Floats splat(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  static inline Floats load(const float* at) { return {_mm256_loadu_ps(at), _mm256_loadu_ps(at + 8)}; }
  static inline void store(float* at, Floats values) {
    _mm256_storeu_ps(at, values.low);
    _mm256_storeu_ps(at + 8, values.high);
  }
  static inline Floats add(Floats a, Floats b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  static inline Floats sub(Floats a, Floats b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
  static inline Floats mul(Floats a, Floats b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static inline Floats div(Floats a, Floats b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
  static inline Floats fma(Floats a, Floats b, Floats c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static inline Floats max(Floats a, Floats b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
  static inline Floats min(Floats a, Floats b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
  static inline float highest(Floats values) {
    alignas(32) float eight[8];
    _mm256_store_ps(eight, _mm256_max_ps(values.low, values.high));
    float found = eight[0];
    for (int i = 1; i < 8; ++i) found = eight[i] > found ? eight[i] : found;
    return found;
  }
  static inline Floats where_less(Floats a, Floats b, Floats then, Floats otherwise) {
    return {_mm256_blendv_ps(otherwise.low, then.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
            _mm256_blendv_ps(otherwise.high, then.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
  }
  static inline __m256 only(__m256 values, int first, int low, int high, __m256 filled) {
    const __m256i lane = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
    const __m256i outside =
        _mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(low), lane), _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(high - 1)));
    return _mm256_blendv_ps(values, filled, _mm256_castsi256_ps(outside));
  }
  static inline Floats only(Floats values, int low, int high, Floats filled) {
    return {only(values.low, 0, low, high, filled.low), only(values.high, 8, low, high, filled.high)};
  }

  static inline __m256i load_half(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }
  static inline Words load_words(const uint8_t* at) { return {load_half(at), load_half(at + 32)}; }
  static inline void store_words(void* at, Words words) {
    _mm256_storeu_si256(static_cast<__m256i*>(at), words.low);
    _mm256_storeu_si256(static_cast<__m256i*>(at) + 1, words.high);
  }
  static inline Words splat_words(uint32_t value) {
    const __m256i wide = _mm256_set1_epi32(static_cast<int>(value));
    return {wide, wide};
  }
  static inline Words splat_four(const int8_t* four) {
    uint32_t bits;
    __builtin_memcpy(&bits, four, 4);
    return splat_words(bits);
  }
  static inline Words xor_words(Words a, uint32_t b) {
    const __m256i wide = _mm256_set1_epi32(static_cast<int>(b));
    return {_mm256_xor_si256(a.low, wide), _mm256_xor_si256(a.high, wide)};
  }
  // Four unsigned bytes times four signed ones, added up in each lane.
  static inline __m256i dot(__m256i sum, __m256i bytes, __m256i four) {
    const __m256i even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), odd = _mm256_srli_epi16(bytes, 8);
    const __m256i four_even = _mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8), four_odd = _mm256_srai_epi16(four, 8);
    return _mm256_add_epi32(sum, _mm256_add_epi32(_mm256_madd_epi16(even, four_even), _mm256_madd_epi16(odd, four_odd)));
  }
  static inline Words dot(Words sum, Words bytes, Words four) {
    return {dot(sum.low, bytes.low, four.low), dot(sum.high, bytes.high, four.high)};
  }
  static inline Words words_of(Floats values) { return {_mm256_castps_si256(values.low), _mm256_castps_si256(values.high)}; }
  static inline Floats floats_of(Words words) { return {_mm256_castsi256_ps(words.low), _mm256_castsi256_ps(words.high)}; }
  static inline Floats to_floats(Words words) { return {_mm256_cvtepi32_ps(words.low), _mm256_cvtepi32_ps(words.high)}; }
  static inline Words add_words(Words a, uint32_t b) {
    const __m256i wide = _mm256_set1_epi32(static_cast<int>(b));
    return {_mm256_add_epi32(a.low, wide), _mm256_add_epi32(a.high, wide)};
  }
  static inline Words and_words(Words a, uint32_t b) {
    const __m256i wide = _mm256_set1_epi32(static_cast<int>(b));
    return {_mm256_and_si256(a.low, wide), _mm256_and_si256(a.high, wide)};
  }
  template <int N> static inline Words up(Words words) {
    return {_mm256_slli_epi32(words.low, N), _mm256_slli_epi32(words.high, N)};
  }

  static inline __m256 widened(__m128i narrow) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
  }
  static inline Floats load_narrow(const uint16_t* at) {
    const __m128i* eights = reinterpret_cast<const __m128i*>(at);
    return {widened(_mm_loadu_si128(eights)), widened(_mm_loadu_si128(eights + 1))};
  }
  static inline __m256i narrowed(__m256 values) {
    const __m256i bits = _mm256_castps_si256(values);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(values, values, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
  }
  static inline void store_narrow(uint16_t* at, Floats values) {
    const __m256i both = _mm256_packus_epi32(narrowed(values.low), narrowed(values.high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm256_permute4x64_epi64(both, 0xd8));
  }
  static inline Floats load_bytes(const int8_t* at) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
  }
  static inline void store_bytes(int8_t* at, Words words) {
    alignas(32) int32_t wide[16];
    _mm256_store_si256(reinterpret_cast<__m256i*>(wide), words.low);
    _mm256_store_si256(reinterpret_cast<__m256i*>(wide + 8), words.high);
    for (int i = 0; i < 16; ++i) at[i] = static_cast<int8_t>(wide[i]);
  }

  static inline void transpose(__m256i (&w)[8]) {
    __m256i a[8], b[8];
#pragma GCC unroll 8
    for (int i = 0; i < 4; ++i) {
      a[2 * i] = _mm256_unpacklo_epi32(w[2 * i], w[2 * i + 1]);
      a[2 * i + 1] = _mm256_unpackhi_epi32(w[2 * i], w[2 * i + 1]);
    }
#pragma GCC unroll 8
    for (int q = 0; q < 2; ++q) {
      b[4 * q] = _mm256_unpacklo_epi64(a[4 * q], a[4 * q + 2]);
      b[4 * q + 1] = _mm256_unpackhi_epi64(a[4 * q], a[4 * q + 2]);
      b[4 * q + 2] = _mm256_unpacklo_epi64(a[4 * q + 1], a[4 * q + 3]);
      b[4 * q + 3] = _mm256_unpackhi_epi64(a[4 * q + 1], a[4 * q + 3]);
    }
#pragma GCC unroll 8
    for (int n = 0; n < 4; ++n) {
      w[n] = _mm256_permute2x128_si256(b[n], b[4 + n], 0x20);
      w[4 + n] = _mm256_permute2x128_si256(b[n], b[4 + n], 0x31);
    }
  }
  static inline void transpose(Words (&w)[16]) {
    __m256i quarters[4][8];
    for (int i = 0; i < 8; ++i) {
      quarters[0][i] = w[i].low;
      quarters[1][i] = w[i].high;
      quarters[2][i] = w[8 + i].low;
      quarters[3][i] = w[8 + i].high;
    }
    for (auto& quarter : quarters) transpose(quarter);
    for (int i = 0; i < 8; ++i) {
      w[i] = {quarters[0][i], quarters[2][i]};
      w[8 + i] = {quarters[1][i], quarters[3][i]};
    }
  }
};

}  // namespace
}  // namespace weft
