// AVX2 with FMA and conversions from half precision: two vectors of eight lanes.
#include <immintrin.h>

#include "kernels.h"

namespace weft {
namespace {

struct Isa {
  struct Ints {
    __m256i low, high;
  };
  using Bytes = Ints;
  struct Floats {
    __m256 low, high;
  };
  static constexpr int kRows = 4, kRowsOfTwoBlocks = 0, kPrefetchRows = 4;
  static constexpr int kByteOffset = 0;
  static constexpr bool kMultipliesPairs = false;
  static constexpr const char* kName = "avx2";

  static inline __m256i load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }
  static inline Bytes load_bytes(const uint8_t* at) { return {load(at), load(at + 32)}; }
  static inline __m256i low_half(__m256i both) { return _mm256_and_si256(both, _mm256_set1_epi8(0x0f)); }
  static inline Bytes low_halves(Bytes both) { return {low_half(both.low), low_half(both.high)}; }
  static inline Bytes high_halves(Bytes both) {
    return {low_half(_mm256_srli_epi16(both.low, 4)), low_half(_mm256_srli_epi16(both.high, 4))};
  }
  template <int Place>
  static inline __m256i byte_of(__m256i bytes) {
    return _mm256_and_si256(_mm256_srli_epi32(bytes, 8 * Place), _mm256_set1_epi32(0xff));
  }
  template <int Place>
  static inline Ints byte_of(Bytes bytes) { return {byte_of<Place>(bytes.low), byte_of<Place>(bytes.high)}; }
  static inline Bytes mix(Bytes a, Bytes b) {
    return {_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)};
  }
  static inline Ints add(Ints a, Ints b) {
    return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
  }
  static inline Ints splat(int32_t value) { return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)}; }
  static inline Floats splat_float(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  static inline Floats zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static inline Floats to_floats(Ints values) {
    return {_mm256_cvtepi32_ps(values.low), _mm256_cvtepi32_ps(values.high)};
  }
  static inline Floats fma(Floats a, Floats b, Floats c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static inline Floats mul(Floats a, Floats b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  static inline Floats sum(Floats a, Floats b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  static inline Floats load_floats(const float* at) { return {_mm256_loadu_ps(at), _mm256_loadu_ps(at + 8)}; }
  static inline void store(float* at, Floats values) {
    _mm256_store_ps(at, values.low);
    _mm256_store_ps(at + 8, values.high);
  }
  static inline Floats load_halves(const uint8_t* at) {
    const __m128i* halves = reinterpret_cast<const __m128i*>(at);
    return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
  }
  static inline __m256i low_words(__m256 whole) {
    return _mm256_and_si256(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(0xffff));
  }
  static inline Ints whole_halves(const uint8_t* at) {
    const Floats whole = load_halves(at);
    return {low_words(whole.low), low_words(whole.high)};
  }
  static inline Ints add_scaled(Ints sum, Ints number, Ints whole) {
    return add(sum, {_mm256_madd_epi16(number.low, whole.low), _mm256_madd_epi16(number.high, whole.high)});
  }
  static inline __m256 even(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
  static inline __m256 odd(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
  }
  static inline Floats even_bfloat16(const uint8_t* at) { return {even(load(at)), even(load(at + 32))}; }
  static inline Floats odd_bfloat16(const uint8_t* at) { return {odd(load(at)), odd(load(at + 32))}; }

  static inline __m256 widened(__m128i narrow) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
  }
  static inline Floats load_bfloat16(const uint16_t* at) {
    const __m128i* narrow = reinterpret_cast<const __m128i*>(at);
    return {widened(_mm_loadu_si128(narrow)), widened(_mm_loadu_si128(narrow + 1))};
  }
  static inline Ints max(Ints a, Ints b) {
    return {_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)};
  }
  template <class Function>
  static inline int32_t reduced(__m256i both, Function function) {
    __m128i four = function(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    four = function(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(function(four, _mm_shuffle_epi32(four, 0xb1)));
  }
  static inline int32_t max_of(Ints values) {
    return reduced(_mm256_max_epi32(values.low, values.high), [](__m128i a, __m128i b) { return _mm_max_epi32(a, b); });
  }
  static inline int32_t sum_of(Ints values) {
    return reduced(_mm256_add_epi32(values.low, values.high), [](__m128i a, __m128i b) { return _mm_add_epi32(a, b); });
  }
  static inline __m256i without_sign(__m256 values) {
    return _mm256_and_si256(_mm256_castps_si256(values), _mm256_set1_epi32(0x7fffffff));
  }
  static inline Ints bits_without_sign(Floats values) { return {without_sign(values.low), without_sign(values.high)}; }
  static inline __m256i rounded(__m256 values, __m256 shift) {
    return _mm256_sub_epi32(_mm256_castps_si256(_mm256_add_ps(values, shift)), _mm256_castps_si256(shift));
  }
  static inline Ints rounded(Floats values, float rounder) {
    const __m256 shift = _mm256_set1_ps(rounder);
    return {rounded(values.low, shift), rounded(values.high, shift)};
  }
  static inline uint64_t low_bytes(__m256i values) {
    const __m256i first = _mm256_set1_epi32(0x0c080400);
    const __m256i bytes = _mm256_shuffle_epi8(values, first);
    const uint64_t low = static_cast<uint32_t>(_mm256_extract_epi32(bytes, 0));
    return low | static_cast<uint64_t>(static_cast<uint32_t>(_mm256_extract_epi32(bytes, 4))) << 32;
  }
  static inline void store_low_bytes(uint8_t* at, Ints values) {
    const uint64_t both[2] = {low_bytes(values.low), low_bytes(values.high)};
    __builtin_memcpy(at, both, sizeof both);
  }

  static inline Ints broadcast(const uint8_t* four) {
    int32_t bits;
    __builtin_memcpy(&bits, four, 4);
    return splat(bits);
  }
  static inline __m256i add(__m256i sum, __m256i weights, __m256i inputs) {
    const __m256i products = _mm256_maddubs_epi16(weights, inputs);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
  }
  // The magnitude of a weight times the input with the weight's sign: two products stay below 2^15.
  static inline __m256i add_signed(__m256i sum, __m256i weights, __m256i inputs) {
    const __m256i true_weights = _mm256_xor_si256(weights, _mm256_set1_epi8(static_cast<char>(0x80)));
    return add(sum, _mm256_abs_epi8(true_weights), _mm256_sign_epi8(inputs, true_weights));
  }
  static inline Ints dot_halves(Ints sum, Bytes weights, Ints inputs) {
    return {add(sum.low, weights.low, inputs.low), add(sum.high, weights.high, inputs.high)};
  }
  static inline Ints dot_bytes(Ints sum, Bytes weights, Ints inputs) {
    return {add_signed(sum.low, weights.low, inputs.low), add_signed(sum.high, weights.high, inputs.high)};
  }
  static inline Ints dot_halves(Ints sum, Bytes weights, const uint8_t* four) {
    return dot_halves(sum, weights, broadcast(four));
  }
  static inline Ints dot_bytes(Ints sum, Bytes weights, const uint8_t* four) {
    return dot_bytes(sum, weights, broadcast(four));
  }
  template <class Two>
  static inline Floats dot_pairs(Floats sum, Bytes, Two) { return sum; }  // never asked for
};

}  // namespace
}  // namespace weft

#include "level.h"

const weft::Kernels* weft::avx2_kernels() { return &kTable; }
