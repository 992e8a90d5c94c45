// Sixteen bfloat16 and sixteen float32, by AVX-512 without its instructions for bfloat16.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace weft {
namespace {

inline __m512 widen_lanes(__m256i narrow) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
}

// To the nearest bfloat16, ties to even; a NaN stays one.
inline __m256i narrow_lanes(__m512 values) {
  const __m512i bits = _mm512_castps_si512(values);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_blend_epi32(is_nan, rounded, quiet), 16));
}

inline __m512 load_bfloat16_lanes(const uint16_t* at) {
  return widen_lanes(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

inline void store_bfloat16_lanes(uint16_t* at, __m512 values) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), narrow_lanes(values));
}

}  // namespace
}  // namespace weft
