// Sixteen lanes of AVX-512. Defined by who includes this: WEFT_VNNI and WEFT_BF16, for instructions beyond the first.
#pragma once
#include <immintrin.h>

#include "kernels.h"

namespace weft {
namespace {

struct Isa {
  using Bytes = __m512i;
  using Ints = __m512i;
  using Floats = __m512;
  static constexpr int kRows = 8, kRowsOfTwoBlocks = 4, kPrefetchRows = 8;

  static inline Bytes load_bytes(const uint8_t* at) { return _mm512_loadu_si512(at); }
  static inline Bytes low_halves(Bytes both) { return _mm512_and_si512(both, _mm512_set1_epi8(0x0f)); }
  static inline Bytes high_halves(Bytes both) { return low_halves(_mm512_srli_epi16(both, 4)); }
  static inline Bytes mix(Bytes a, Bytes b) { return _mm512_xor_si512(a, b); }
  static inline Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static inline Ints splat(int32_t value) { return _mm512_set1_epi32(value); }
  static inline Floats splat_float(float value) { return _mm512_set1_ps(value); }
  static inline Floats zero() { return _mm512_setzero_ps(); }
  static inline Floats to_floats(Ints values) { return _mm512_cvtepi32_ps(values); }
  static inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static inline Floats load_floats(const float* at) { return _mm512_loadu_ps(at); }
  static inline void store(float* at, Floats values) { _mm512_store_ps(at, values); }
  static inline Floats load_halves(const uint8_t* at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  }
  static inline Floats even_bfloat16(const uint8_t* at) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(load_bytes(at), 16));
  }
  static inline Floats odd_bfloat16(const uint8_t* at) {
    return _mm512_castsi512_ps(_mm512_and_si512(load_bytes(at), _mm512_set1_epi32(0xffff0000)));
  }

  static inline Floats load_bfloat16(const uint16_t* at) {
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
  }
  // To the nearest bfloat16, ties to even; a NaN stays one.
  static inline void store_bfloat16(uint16_t* at, Floats values) {
    const __m512i bits = _mm512_castps_si512(values);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const __mmask16 is_nan = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
    const __m512i wide = _mm512_srli_epi32(_mm512_mask_blend_epi32(is_nan, rounded, quiet), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm512_cvtepi32_epi16(wide));
  }
  static inline Ints max(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
  static inline int32_t max_of(Ints values) { return _mm512_reduce_max_epi32(values); }
  static inline int32_t sum_of(Ints values) { return _mm512_reduce_add_epi32(values); }
  static inline Ints bits_without_sign(Floats values) {
    return _mm512_and_si512(_mm512_castps_si512(values), _mm512_set1_epi32(0x7fffffff));
  }
  static inline Ints rounded(Floats values, float rounder) {
    const __m512 shift = _mm512_set1_ps(rounder);
    return _mm512_sub_epi32(_mm512_castps_si512(_mm512_add_ps(values, shift)), _mm512_castps_si512(shift));
  }
  static inline void store_low_bytes(uint8_t* at, Ints values) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm512_cvtepi32_epi8(values));
  }

  // Four bytes of inputs, or two bfloat16, in every lane.
  static inline Ints broadcast(const uint8_t* four) {
    int32_t bits;
    __builtin_memcpy(&bits, four, 4);
    return _mm512_set1_epi32(bits);
  }

#ifdef WEFT_VNNI
  static constexpr int kByteOffset = 128;  // bytes of weights are multiplied as they are: unsigned

  // In assembler, since compilers load the four bytes into a register of their own first, copy the sums, and run out of
  // registers.
  static inline Ints dot_bytes(Ints sum, Bytes weights, const uint8_t* four) {
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(*reinterpret_cast<const Four*>(four)));
    return sum;
  }
  static inline Ints dot_halves(Ints sum, Bytes weights, const uint8_t* four) { return dot_bytes(sum, weights, four); }
#else
  static constexpr int kByteOffset = 0;

  static inline Ints add_pairs(Ints sum, __m512i products) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(products, _mm512_set1_epi16(1)));
  }
  // The magnitude of a weight times the input with the weight's sign: two products stay below 2^15.
  static inline Ints dot_bytes(Ints sum, Bytes weights, Ints inputs) {
    const __m512i true_weights = _mm512_xor_si512(weights, _mm512_set1_epi8(static_cast<char>(0x80)));
    const __mmask64 is_negative = _mm512_movepi8_mask(true_weights);
    const __m512i turned = _mm512_mask_sub_epi8(inputs, is_negative, _mm512_setzero_si512(), inputs);
    return add_pairs(sum, _mm512_maddubs_epi16(_mm512_abs_epi8(true_weights), turned));
  }
  static inline Ints dot_halves(Ints sum, Bytes weights, Ints inputs) {
    return add_pairs(sum, _mm512_maddubs_epi16(weights, inputs));
  }
  static inline Ints dot_bytes(Ints sum, Bytes weights, const uint8_t* four) {
    return dot_bytes(sum, weights, broadcast(four));
  }
  static inline Ints dot_halves(Ints sum, Bytes weights, const uint8_t* four) {
    return dot_halves(sum, weights, broadcast(four));
  }
#endif

#ifdef WEFT_BF16
  static constexpr bool kMultipliesPairs = true;
  static inline Floats dot_pairs(Floats sum, Bytes weights, const uint8_t* two) {
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(*reinterpret_cast<const Four*>(two)));
    return sum;
  }
  static inline Floats dot_pairs(Floats sum, Bytes weights, Ints two) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(two));
    return sum;
  }
#else
  static constexpr bool kMultipliesPairs = false;
  template <class Two>
  static inline Floats dot_pairs(Floats sum, Bytes, Two) { return sum; }  // never asked for
#endif

  struct __attribute__((may_alias, packed)) Four {
    uint8_t bytes[4];
  };
  static const char* const kName;
};

}  // namespace
}  // namespace weft
