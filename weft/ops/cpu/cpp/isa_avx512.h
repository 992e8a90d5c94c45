// Sixteen lanes of AVX-512. Defined by who includes this: WEFT_VNNI and WEFT_BF16, for instructions beyond the first.
#pragma once
#include "avx512_bfloat16.h"
#include "kernels.h"

namespace weft {
namespace {

#ifdef WEFT_BF16
// -8 to 7 as bfloat16, twice.
alignas(kAlignment) const uint16_t kOfHalves[32] = {
    0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040, 0xc000, 0xbf80,
    0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0,
    0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040, 0xc000, 0xbf80,
    0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0};
#endif

struct Isa {
  using Bytes = __m512i;
  using Ints = __m512i;
  using Floats = __m512;
  static constexpr int kRows = 8, kRowsOfTwoBlocks = 4, kPrefetchRows = 8;

  static inline Bytes load_bytes(const uint8_t* at) { return _mm512_loadu_si512(at); }
  static inline Bytes low_halves(Bytes both) { return _mm512_and_si512(both, _mm512_set1_epi8(0x0f)); }
  static inline Bytes high_halves(Bytes both) { return low_halves(_mm512_srli_epi16(both, 4)); }
  static inline Bytes mix(Bytes a, Bytes b) { return _mm512_xor_si512(a, b); }
  // The byte of that place in every lane, counted from the lowest.
  template <int Place>
  static inline Ints byte_of(Bytes bytes) {
    return _mm512_and_si512(_mm512_srli_epi32(bytes, 8 * Place), _mm512_set1_epi32(0xff));
  }
  static inline Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static inline Ints splat(int32_t value) { return _mm512_set1_epi32(value); }
  static inline Floats splat_float(float value) { return _mm512_set1_ps(value); }
  static inline Floats zero() { return _mm512_setzero_ps(); }
  static inline Floats to_floats(Ints values) { return _mm512_cvtepi32_ps(values); }
  static inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static inline Floats sum(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static inline Floats load_floats(const float* at) { return _mm512_loadu_ps(at); }
  static inline void store(float* at, Floats values) { _mm512_store_ps(at, values); }
  static inline Floats load_halves(const uint8_t* at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  }
  // Whole numbers below 2^15, in the low halves of lanes whose high halves are zero.
  static inline Ints whole_halves(const uint8_t* at) {
    return _mm512_and_si512(_mm512_cvtps_epi32(load_halves(at)), _mm512_set1_epi32(0xffff));
  }
  static inline Floats even_bfloat16(const uint8_t* at) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(load_bytes(at), 16));
  }
  static inline Floats odd_bfloat16(const uint8_t* at) {
    return _mm512_castsi512_ps(_mm512_and_si512(load_bytes(at), _mm512_set1_epi32(0xffff0000)));
  }

  static inline Floats load_bfloat16(const uint16_t* at) { return load_bfloat16_lanes(at); }
  static inline Floats rounded_to_bfloat16(Floats values) { return widen_lanes(narrow_lanes(values)); }
  static inline void store_bfloat16(uint16_t* at, Floats values) { store_bfloat16_lanes(at, values); }
  static inline Ints max(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
  static inline int32_t max_of(Ints values) { return _mm512_reduce_max_epi32(values); }
  // By halves, as unsigned numbers: of rows that are not finite it may be anything.
  static inline int32_t sum_of(Ints values) {
    const __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(values), _mm512_extracti64x4_epi64(values, 1));
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
  }
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
  // A number below 2^15 times one of `whole_halves`.
  static inline Ints add_scaled(Ints sum, Ints number, Ints whole) { return _mm512_dpwssd_epi32(sum, number, whole); }
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
  static inline Ints add_scaled(Ints sum, Ints number, Ints whole) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(number, whole));
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
  // Of the fours in the low halves of 64 bytes, less 8, the first and the third as bfloat16 side by side, then the
  // second and the last; then of those in the high halves. The table is looked up by five bits, of which the fifth is
  // another number's.
  static inline void pairs_of_halves(const uint8_t* at, Bytes (&pairs)[4]) {
    const __m512i both = load_bytes(at), table = _mm512_load_si512(kOfHalves);
    pairs[0] = _mm512_permutexvar_epi16(both, table);
    pairs[1] = _mm512_permutexvar_epi16(_mm512_srli_epi16(both, 8), table);
    pairs[2] = _mm512_permutexvar_epi16(_mm512_srli_epi16(both, 4), table);
    pairs[3] = _mm512_permutexvar_epi16(_mm512_srli_epi16(both, 12), table);
  }
  // The same of 64 bytes, less 128. A float32 of 2^23 has a byte as its last digits; what is left of it after a
  // subtraction needs no more digits than bfloat16 has.
  template <int Place>
  static inline __m512i float_of_byte(__m512i bytes) {
    const __m512i large = _mm512_set1_epi32(0x4b000000);
    const __m512i places = _mm512_set4_epi32(12 + Place, 8 + Place, 4 + Place, Place);
    const __m512i shifted = _mm512_mask_shuffle_epi8(large, 0x1111111111111111, bytes, places);
    return _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(shifted), _mm512_set1_ps(0x1p23f + 128.0f)));
  }
  static inline __m512i high_parts(__m512i first, __m512i second) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(first, 16), second);
  }
  static inline void pairs_of_bytes(const uint8_t* at, Bytes (&pairs)[2]) {
    const __m512i bytes = load_bytes(at);
    pairs[0] = high_parts(float_of_byte<0>(bytes), float_of_byte<2>(bytes));
    pairs[1] = high_parts(float_of_byte<1>(bytes), float_of_byte<3>(bytes));
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
