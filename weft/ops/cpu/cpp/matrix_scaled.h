// Products with int4 whose scales are whole numbers: AMX sums up all inputs, and scales are in what it multiplies.
//
// A scale is 16 times a number of four bits and sign, and another of four bits. A weight times either is a byte, so two
// products of matrices make 16 times one sum and another, exactly the integer that vectors make.
#pragma once
#include "lines.h"
#include "matrix_groups.h"

namespace weft {
namespace {

// Inputs of a block that become bytes at once. They stay in the first cache while the rows of a tile pass by.
constexpr int kScaledInputs = 512;
static_assert(kExactInputs % kScaledInputs == 0 && 8 * ((kMostScale >> 4) + 1) <= 128 && 8 * 15 < 128);

constexpr size_t kPanelBytes = kScaledInputs * kColumns;

// [inputs / 4][16][4], each.
struct alignas(kAlignment) ScaledPiece {
  uint8_t high[kPanelBytes], low[kPanelBytes];
};

// Bytes with sign times one 16-bit number per pair of them; the low bytes of the products.
inline __m512i times(__m512i bytes, __m512i odd, __m512i numbers) {
  const __m512i of_even = _mm512_mullo_epi16(bytes, numbers), of_odd = _mm512_mullo_epi16(odd, numbers);
  return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, of_even, of_odd);
}

// The parts of a group's scales, in both halves of each lane.
struct ScaleParts {
  __m512i high, low;

  explicit ScaleParts(const uint8_t* scales) {
    const __m512i whole = Isa::whole_halves(scales), both = _mm512_or_si512(whole, _mm512_slli_epi32(whole, 16));
    high = _mm512_srai_epi16(both, 4);
    low = _mm512_and_si512(both, _mm512_set1_epi16(15));
  }
};

inline void scale_line(__m512i bytes, const ScaleParts& parts, ScaledPiece& piece, size_t at) {
  const __m512i odd = _mm512_and_si512(bytes, _mm512_set1_epi16(static_cast<short>(0xff00)));
  _mm512_store_si512(piece.high + at, times(bytes, odd, parts.high));
  _mm512_store_si512(piece.low + at, times(bytes, odd, parts.low));
}

// The groups of a piece, from `group` to `end`; `lines` goes on to the next.
void scale_piece(const Layer& layer, Lines& lines, int group, int end, ScaledPiece& piece) {
  const size_t group_bytes = static_cast<size_t>(layer.group_inputs) * kColumns / 2;
  size_t at = 0;
  for (; group < end; ++group) {
    lines.begin(group);
    const ScaleParts parts(lines.scales);
    for (const uint8_t* last = lines.numbers + group_bytes; lines.numbers < last; lines.numbers += kLineBytes) {
      __builtin_prefetch(lines.numbers + kWeightsAhead, 0, 3);
      const __m512i both = Isa::load_bytes(lines.numbers);
      scale_line(less_8(Isa::low_halves(both)), parts, piece, at);
      scale_line(less_8(Isa::high_halves(both)), parts, piece, at + kLineBytes);
      at += 2 * kLineBytes;
    }
  }
}

// Of a part with two blocks: of each, what counts sixteen times and what counts once.
using StripSums = Sums16[4];

// What a strip's products begin with: nothing, or the sums of the inputs before.
template <int Panels>
inline void begin_strip(bool is_first, const StripSums& sums) {
  if (is_first) {
    clear<0>();
    clear<1>();
    if constexpr (Panels == 4) clear<2>();
    if constexpr (Panels == 4) clear<3>();
    return;
  }
  load<0>(sums, kLineBytes);
  load<1>(sums + 1, kLineBytes);
  if constexpr (Panels == 4) load<2>(sums + 2, kLineBytes);
  if constexpr (Panels == 4) load<3>(sums + 3, kLineBytes);
}

// A part times the panels of two pieces, or of one.
template <int Panels>
__attribute__((noinline)) void multiply_strip(
    const uint8_t* inputs, size_t next, const ScaledPiece* pieces, size_t row_bytes, size_t step_bytes, bool is_first,
    StripSums& sums) {
  const uint8_t* panels = pieces->high;
  begin_strip<Panels>(is_first, sums);
  for (size_t left = row_bytes; left > 0; left -= step_bytes) {
    load<kInputs>(inputs, step_bytes);
    load<kWeights>(panels, kLineBytes);
    add_signed<0, kInputs, kWeights>();
    load<kWeights + 1>(panels + kPanelBytes, kLineBytes);
    add_signed<1, kInputs, kWeights + 1>();
    if constexpr (Panels == 4) {
      load<kWeights>(panels + 2 * kPanelBytes, kLineBytes);
      add_signed<2, kInputs, kWeights>();
      load<kWeights + 1>(panels + 3 * kPanelBytes, kLineBytes);
      add_signed<3, kInputs, kWeights + 1>();
    }
    panels += step_bytes / 4 * kLineBytes;
    inputs += next;
  }
  save<0>(sums);
  save<1>(sums + 1);
  if constexpr (Panels == 4) save<2>(sums + 2);
  if constexpr (Panels == 4) save<3>(sums + 3);
}

// Of some inputs of a layer: where they begin and end, and whether all are summed up exactly from `first` or up to `end`.
struct Span {
  int first, end;
  bool begins, ends;
};

// Of a part and a block, the integers that are scaled.
inline Floats exact_sum(const Sums16* sums, int row) {
  const __m512i sixteen = _mm512_slli_epi32(_mm512_load_si512(sums[0].at[row]), 4);
  return Isa::to_floats(_mm512_add_epi32(sixteen, _mm512_load_si512(sums[1].at[row])));
}

// Of more inputs than are summed up exactly: what there is so far, to which the next are added.
void add_earlier(const Part& part, Sums16* sums, const Span& span, float (*earlier)[kColumns]) {
  for (int row = 0; row < part.rows; ++row) {
    float* const at = earlier[part.first_row + row];
    const Floats sum = exact_sum(sums, row);
    Isa::store(at, span.end > kExactInputs ? Isa::sum(Isa::load_floats(at), sum) : sum);
  }
}

void give_sums(
    const Layer& layer, const Tile& tile, const Part& part, const Sums16* sums, int block, const Output& output,
    const float (*earlier)[kColumns]) {
  const Floats factors = Isa::load_floats(layer.factors + block * kColumns);
  const Results results(layer, block, output);
  const float* const scales = tile.scales;
  for (int row = 0; row < part.rows; ++row) {
    const int of_tile = part.first_row + row;
    Floats sum = exact_sum(sums, row);
    if (earlier != nullptr) sum = Isa::sum(Isa::load_floats(earlier[of_tile]), sum);
    const Floats scaled = Isa::mul(sum, Isa::splat_float(scales[of_tile]));
    results.give(Isa::mul(scaled, factors), tile.first_row + of_tile);
  }
}

struct alignas(kAlignment) ScaledRoom {
  ScaledPiece pieces[2];
  StripSums sums[kMostRowsOfBytes / kMatrixRows];
  float earlier[2][kMostRowsOfBytes][kColumns];
};

void end_strip(
    const Layer& layer, const Tile& tile, const Part& part, int block, int blocks, const Span& span,
    const Output& output, StripSums& sums, ScaledRoom& room) {
  for (int i = 0; i < blocks; ++i) {
    float(*const earlier)[kColumns] = room.earlier[i];
    if (span.end < layer.inputs) add_earlier(part, sums + 2 * i, span, earlier);
    else give_sums(
        layer, tile, part, sums + 2 * i, block + i, output, layer.inputs > kExactInputs ? earlier : nullptr);
  }
}

void multiply_pieces(
    const Layer& layer, const Tile& tile, int block, int blocks, const Span& span, const Output& output,
    MatrixRegisters& registers, ScaledRoom& room) {
  const size_t step = step_bytes_of(layer), bytes = static_cast<size_t>(span.end - span.first);
  for (int row = 0; row < tile.rows; row += kMatrixRows) {
    const Part part = part_of(layer, tile, row);
    const uint8_t* const inputs = part.inputs + static_cast<size_t>(span.first) * part.rows;
    StripSums& sums = room.sums[row / kMatrixRows];
    registers.shape(part.rows, part.rows);
    if (blocks == 2) multiply_strip<4>(inputs, part.rows * step, room.pieces, bytes, step, span.begins, sums);
    else multiply_strip<2>(inputs, part.rows * step, room.pieces, bytes, step, span.begins, sums);
    if (span.ends) end_strip(layer, tile, part, block, blocks, span, output, sums, room);
  }
}

void multiply_scaled(const Layer& layer, const Tile& tile, int block, int end, const Output& output) {
  static thread_local ScaledRoom room;
  MatrixRegisters registers(step_bytes_of(layer));
  for (; block < end; block += 2) {
    const int blocks = end - block < 2 ? 1 : 2;
    Lines lines[2] = {Lines(layer, block), Lines(layer, block + blocks - 1)};
    for (Span span = {}; span.first < layer.inputs; span.first = span.end) {
      span.end = layer.inputs - span.first < kScaledInputs ? layer.inputs : span.first + kScaledInputs;
      span.begins = span.first % kExactInputs == 0;
      span.ends = span.end == layer.inputs || span.end % kExactInputs == 0;
      for (int i = 0; i < blocks; ++i)
        scale_piece(layer, lines[i], span.first / layer.group_inputs, span.end / layer.group_inputs, room.pieces[i]);
      multiply_pieces(layer, tile, block, blocks, span, output, registers, room);
    }
  }
}

}  // namespace
}  // namespace weft
