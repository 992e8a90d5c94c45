// Products with integers in groups: AMX sums up each group exactly, and vectors scale these sums and add them, from
// first to last.
#pragma once
#include "matrix_whole.h"

namespace weft {
namespace {

constexpr int kMostGroups = kPieceInputs / kUnit;
static_assert(kExactInputs % kPieceInputs == 0 && kPieceInputs * 127 * 8 < 1 << 23 && kMostScale << 8 <= 1 << 15);

// Numbers of 4 bits plus 8, with their sign; those of `turned` with the other.
inline __m512i less_8(__m512i bytes, __mmask64 turned = 0) {
  const __m512i eight = _mm512_set1_epi8(8);
  return _mm512_mask_sub_epi8(_mm512_sub_epi8(bytes, eight), turned, eight, bytes);
}

struct alignas(kAlignment) Piece {
  uint8_t weights[kPieceInputs * kColumns];
  __m512i scales[kMostGroups];
  int first_group, num_groups;
};

// What sums of groups are added to in floats, one after the other. Scales and totals are their bits.
struct OfHalfScales {
  static inline __mmask64 turned(const uint8_t*) { return 0; }
  static inline __m512i scales(const uint8_t* at) { return _mm512_castps_si512(Isa::load_halves(at)); }
  static inline __m512i add(__m512i total, __m512i sum, __m512i scale) {
    const Floats before = _mm512_castsi512_ps(total), factor = _mm512_castsi512_ps(scale);
    return _mm512_castps_si512(Isa::fma(Isa::to_floats(sum), factor, before));
  }
  static inline Floats floats_of(__m512i total) { return _mm512_castsi512_ps(total); }
};

// The same exactly. A sum is 256 times a number of 16 bits and a byte, so it is scaled and added by one instruction of
// pairs, after one that puts the two in place. 256 times the largest scale fits 16 bits below zero alone: so all scales
// are made negative, weights are turned where they were before, and the total in the end.
struct OfWholeScales {
  static inline __m512i whole(const uint8_t* at) { return _mm512_cvtps_epi32(Isa::load_halves(at)); }
  static inline __mmask64 turned(const uint8_t* at) { return _mm512_movepi8_mask(_mm512_srai_epi32(whole(at), 31)); }
  static inline __m512i scales(const uint8_t* at) {
    const __m512i below = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_abs_epi32(whole(at)));
    return _mm512_mask_blend_epi16(0xaaaaaaaa, below, _mm512_slli_epi32(below, 24));
  }
  static inline __m512i add(__m512i total, __m512i sum, __m512i scale) {
    const __m512i places = _mm512_set4_epi32(0x0e0d800c, 0x0a098008, 0x06058004, 0x02018000);
    return _mm512_dpwssd_epi32(total, _mm512_shuffle_epi8(sum, places), scale);
  }
  static inline Floats floats_of(__m512i total) {
    return Isa::to_floats(_mm512_sub_epi32(_mm512_setzero_si512(), total));
  }
};

inline void take_group(Format format, const uint8_t* numbers, size_t size, __mmask64 turned, uint8_t* out) {
  for (size_t at = 0; at < size; at += kLineBytes) {
    __builtin_prefetch(numbers + at + kWeightsAhead, 0, 3);
    const __m512i both = Isa::load_bytes(numbers + at);
    if (format == Format::int8) {
      _mm512_store_si512(out + at, _mm512_xor_si512(both, _mm512_set1_epi8(static_cast<char>(0x80))));
      continue;
    }
    _mm512_store_si512(out + 2 * at, less_8(Isa::low_halves(both), turned));
    _mm512_store_si512(out + 2 * at + kLineBytes, less_8(Isa::high_halves(both), turned));
  }
}

template <class Of>
void take_piece(const Layer& layer, int block, Piece& piece) {
  const size_t in_bytes = static_cast<size_t>(layer.group_inputs) * kColumns;
  const size_t group_bytes = is_halves(layer.format) ? in_bytes / 2 : in_bytes;
  const uint8_t* const lines = layer.blocks + static_cast<size_t>(block) * layer.block_bytes;
  for (int index = 0; index < piece.num_groups; ++index) {
    const int group = piece.first_group + index, of_line = group % kGroupsOfLine;
    const uint8_t* line = lines + group / kGroupsOfLine * (kAlignment + kGroupsOfLine * group_bytes);
    const uint8_t *scales = line + of_line * kScaleBytes, *numbers = line + kAlignment + of_line * group_bytes;
    take_group(layer.format, numbers, group_bytes, Of::turned(scales), piece.weights + index * in_bytes);
    piece.scales[index] = Of::scales(scales);
  }
}

// A group's sums into memory: those of every second group come of a register of their own, so that none waits for the
// one before. `kOf`: whose shapes the registers have, a part of 16 rows (0) or the last one, which has fewer.
template <int kOf, int kTurn>
inline void sum_group(
    const uint8_t* inputs, const uint8_t* weights, int steps, size_t step_bytes, size_t next, Sums16& sums) {
  constexpr int kSum = sum_of_part(kOf, kTurn);
  clear<kSum>();
  for (; steps > 0; --steps, inputs += next, weights += step_bytes / 4 * kLineBytes) {
    load<kInputs + kOf>(inputs, step_bytes);
    load<kWeights + kTurn>(weights, kLineBytes);
    add_signed<kSum, kInputs + kOf, kWeights + kTurn>();
  }
  save<kSum>(&sums);
}

template <class Of>
inline void add_group(const Sums16& sums, __m512i scale, __m512i (&total)[kMatrixRows]) {
  WEFT_UNROLL
  for (int r = 0; r < kMatrixRows; ++r) total[r] = Of::add(total[r], _mm512_load_si512(sums.at[r]), scale);
}

// `totals`: of the rows of the part, of the groups before this piece and then with these.
template <class Of, int kOf>
__attribute__((noinline)) void add_piece(
    const Layer& layer, const Part& part, const Piece& piece, __m512i* totals) {
  const size_t step_bytes = step_bytes_of(layer), next = part.rows * step_bytes;
  const int steps = layer.group_inputs / static_cast<int>(step_bytes);
  const size_t group_bytes = static_cast<size_t>(layer.group_inputs) * kColumns;
  const uint8_t* inputs = part.inputs + piece.first_group * steps * next;
  const uint8_t* weights = piece.weights;
  Sums16 sums[4];
  __m512i total[kMatrixRows];
  WEFT_UNROLL
  for (int r = 0; r < kMatrixRows; ++r) total[r] = piece.first_group == 0 ? Isa::splat(0) : totals[r];
  int group = 0;
  for (; group < piece.num_groups; ++group) {
    if (group % 2 == 0) sum_group<kOf, 0>(inputs, weights, steps, step_bytes, next, sums[group % 4]);
    else sum_group<kOf, 1>(inputs, weights, steps, step_bytes, next, sums[group % 4]);
    inputs += steps * next;
    weights += group_bytes;
    if (group >= 2) add_group<Of>(sums[(group - 2) % 4], piece.scales[group - 2], total);
  }
  for (group = group < 2 ? 0 : group - 2; group < piece.num_groups; ++group)
    add_group<Of>(sums[group % 4], piece.scales[group], total);
  WEFT_UNROLL
  for (int r = 0; r < kMatrixRows; ++r) totals[r] = total[r];
}

template <class Of>
void give_totals(const Layer& layer, const Tile& tile, int block, const Output& output, const __m512i* totals) {
  const Floats factors = Isa::load_floats(layer.factors + block * kColumns);
  const Results results(layer, block, output);
  for (int row = 0; row < tile.rows; ++row) {
    const Floats scaled = Isa::mul(Of::floats_of(totals[row]), Isa::splat_float(tile.scales[row]));
    results.give(Isa::mul(scaled, factors), tile.first_row + row);
  }
}

template <class Of>
void multiply_groups(const Layer& layer, const Tile& tile, int block, int end, const Output& output) {
  __m512i totals[kMostRowsOfBytes];
  const int groups = layer.num_groups(), groups_of_piece = kPieceInputs / layer.group_inputs;
  MatrixRegisters registers(step_bytes_of(layer));
  registers.shape(kMatrixRows, tile.rows % kMatrixRows);
  Piece piece;
  for (; block < end; ++block) {
    for (int group = 0; group < groups; group += groups_of_piece) {
      piece.first_group = group;
      piece.num_groups = groups - group < groups_of_piece ? groups - group : groups_of_piece;
      take_piece<Of>(layer, block, piece);
      for (int row = 0; row < tile.rows; row += kMatrixRows) {
        const Part part = part_of(layer, tile, row);
        if (part.rows == kMatrixRows) add_piece<Of, 0>(layer, part, piece, totals + row);
        else add_piece<Of, 1>(layer, part, piece, totals + row);
      }
    }
    give_totals<Of>(layer, tile, block, output, totals);
  }
}

}  // namespace
}  // namespace weft
