// Products with integers in groups: AMX sums up each group exactly, and groups are added in vectors from first to last.
#pragma once
#include "matrix_whole.h"

namespace weft {
namespace {

// So many inputs of a block are brought into bytes with sign before they are multiplied with all rows of a tile. They
// stay in the first cache beside the inputs of a part.
constexpr int kPieceInputs = 1024;
constexpr int kMostGroups = kPieceInputs / kUnit;

inline __m512i less_8(__m512i bytes) { return _mm512_sub_epi8(bytes, _mm512_set1_epi8(8)); }

struct alignas(kAlignment) Piece {
  uint8_t weights[kPieceInputs * kColumns];
  float scales[kMostGroups][kColumns];
  int first_group, num_groups;
};

inline void take_group(Format format, const uint8_t* numbers, size_t size, uint8_t* out) {
  for (size_t at = 0; at < size; at += kLineBytes) {
    const __m512i both = Isa::load_bytes(numbers + at);
    if (format == Format::int8) {
      _mm512_store_si512(out + at, _mm512_xor_si512(both, _mm512_set1_epi8(static_cast<char>(0x80))));
      continue;
    }
    _mm512_store_si512(out + 2 * at, less_8(Isa::low_halves(both)));
    _mm512_store_si512(out + 2 * at + kLineBytes, less_8(Isa::high_halves(both)));
  }
}

void take_piece(const Layer& layer, int block, Piece& piece) {
  const size_t in_bytes = static_cast<size_t>(layer.group_inputs) * kColumns;
  const size_t group_bytes = layer.format == Format::int4 ? in_bytes / 2 : in_bytes;
  const uint8_t* const lines = layer.blocks + static_cast<size_t>(block) * layer.block_bytes;
  for (int index = 0; index < piece.num_groups; ++index) {
    const int group = piece.first_group + index, of_line = group % kGroupsOfLine;
    const uint8_t* line = lines + group / kGroupsOfLine * (kAlignment + kGroupsOfLine * group_bytes);
    take_group(layer.format, line + kAlignment + of_line * group_bytes, group_bytes, piece.weights + index * in_bytes);
    Isa::store(piece.scales[index], Isa::load_halves(line + of_line * kScaleBytes));
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

inline void add_group(const Sums16& sums, const float* scales, Floats (&total)[kMatrixRows]) {
  const Floats scale = Isa::load_floats(scales);
  WEFT_UNROLL
  for (int r = 0; r < kMatrixRows; ++r)
    total[r] = Isa::fma(Isa::to_floats(Isa::load_bytes(reinterpret_cast<const uint8_t*>(sums.at[r]))), scale, total[r]);
}

// `totals`: of the part, [rows][16], of the groups before this piece and then with these.
template <int kOf>
__attribute__((noinline)) void add_piece(
    const Layer& layer, const Part& part, const Piece& piece, float (*totals)[kColumns]) {
  const size_t step_bytes = step_bytes_of(layer), next = part.rows * step_bytes;
  const int steps = layer.group_inputs / static_cast<int>(step_bytes);
  const size_t group_bytes = static_cast<size_t>(layer.group_inputs) * kColumns;
  const uint8_t* inputs = part.inputs + piece.first_group * steps * next;
  const uint8_t* weights = piece.weights;
  Sums16 sums[4];
  Floats total[kMatrixRows];
  WEFT_UNROLL
  for (int r = 0; r < kMatrixRows; ++r) total[r] = piece.first_group == 0 ? Isa::zero() : Isa::load_floats(totals[r]);
  int group = 0;
  for (; group < piece.num_groups; ++group) {
    if (group % 2 == 0) sum_group<kOf, 0>(inputs, weights, steps, step_bytes, next, sums[group % 4]);
    else sum_group<kOf, 1>(inputs, weights, steps, step_bytes, next, sums[group % 4]);
    inputs += steps * next;
    weights += group_bytes;
    if (group >= 2) add_group(sums[(group - 2) % 4], piece.scales[group - 2], total);
  }
  for (group = group < 2 ? 0 : group - 2; group < piece.num_groups; ++group)
    add_group(sums[group % 4], piece.scales[group], total);
  WEFT_UNROLL
  for (int r = 0; r < kMatrixRows; ++r) Isa::store(totals[r], total[r]);
}

void give_totals(const Layer& layer, const Tile& tile, int block, const Output& output, float (*totals)[kColumns]) {
  const Floats factors = Isa::load_floats(layer.factors + block * kColumns);
  const Results results(layer, block, output);
  for (int row = 0; row < tile.rows; ++row) {
    const Floats scaled = Isa::mul(Isa::load_floats(totals[row]), Isa::splat_float(tile.scales[row]));
    results.give(Isa::mul(scaled, factors), tile.first_row + row);
  }
}

void multiply_groups(const Layer& layer, const Tile& tile, int block, int end, const Output& output) {
  alignas(kAlignment) float totals[kMostRows][kColumns];
  const int groups = layer.num_groups(), groups_of_piece = kPieceInputs / layer.group_inputs;
  MatrixRegisters registers(step_bytes_of(layer));
  registers.shape(kMatrixRows, tile.rows % kMatrixRows);
  Piece piece;
  for (; block < end; ++block) {
    for (int group = 0; group < groups; group += groups_of_piece) {
      piece.first_group = group;
      piece.num_groups = groups - group < groups_of_piece ? groups - group : groups_of_piece;
      take_piece(layer, block, piece);
      for (int row = 0; row < tile.rows; row += kMatrixRows) {
        const Part part = part_of(layer, tile, row);
        if (part.rows == kMatrixRows) add_piece<0>(layer, part, piece, totals + row);
        else add_piece<1>(layer, part, piece, totals + row);
      }
    }
    give_totals(layer, tile, block, output, totals);
  }
}

}  // namespace
}  // namespace weft
