// AMX: matrices of bytes and of pairs of bfloat16, and AVX-512 for all else.
#define WEFT_VNNI
#define WEFT_BF16
#include "isa_avx512.h"

namespace weft {
namespace {
const char* const Isa::kName = "amx";
}
}  // namespace weft

#include "matrix_groups.h"
#include "matrix_scaled.h"

namespace weft {
namespace {

// Of fewer rows integers are multiplied sooner by vectors, with the same bits: in the smallest groups, more of what is
// done is in vectors here, too, and whole scales have to be multiplied with weights first.
constexpr int kLeastRows = 9, kLeastRowsOfUnits = 32, kLeastRowsOfScaled = 13;

inline bool has_one_scale(const Layer& layer) { return layer.format == Format::int8 && layer.num_groups() == 1; }

int least_rows_of(const Layer& layer) {
  if (scales_weights(layer)) return kLeastRowsOfScaled;
  return layer.group_inputs == kUnit ? kLeastRowsOfUnits : kLeastRows;
}

// Of floats all rows or none, since the order of additions is another one.
int rows_of_matrices(const Layer& layer, const Input& input) {
  const bool in_pairs = layer.format == Format::bfloat16 && input.number == Number::bfloat16;
  if (!is_narrow(layer.format)) return in_pairs && layer.inputs % kPairsStep == 0 ? kMostRows : 0;
  const bool in_groups = !has_one_scale(layer) && !scales_weights(layer);
  if (input.rows < least_rows_of(layer) || (in_groups && layer.group_inputs > kPieceInputs)) return 0;
  return has_one_scale(layer) ? kMostRows : kMostRowsOfBytes;
}

void prepare_tile(const Layer& layer, const Input& input, const Tile& tile, int first, int end) {
  if (tile.in_matrices) lay(layer, input, tile, first, end);
  else avx512_bf16_kernels()->prepare(layer, input, tile, first, end);
}

void multiply(
    const Layer& layer, const Tile& tile, int first_block, int num_blocks, const Output& output, bool is_first) {
  const int end = first_block + num_blocks;
  if (!tile.in_matrices)
    return avx512_bf16_kernels()->multiply(layer, tile, first_block, num_blocks, output, is_first);
  if (tile.in_pairs) return multiply_whole<OfMatrixPairs>(layer, tile, first_block, end, output);
  if (has_one_scale(layer)) return multiply_whole<OfMatrixBytes>(layer, tile, first_block, end, output);
  if (scales_weights(layer)) return multiply_scaled(layer, tile, first_block, end, output);
  if (layer.format == Format::int4_whole) return multiply_groups<OfWholeScales>(layer, tile, first_block, end, output);
  multiply_groups<OfHalfScales>(layer, tile, first_block, end, output);
}

// Ceilings: four sums at once, the inputs and weights whatever the registers begin with.
template <class Of>
int multiply_only(int64_t times) {
  MatrixRegisters registers(kLineBytes);
  registers.shape(kMatrixRows, kMatrixRows);
  for (int64_t i = 0; i < times; ++i) {
    Of::template add<0, kInputs, kWeights>();
    Of::template add<1, kInputs, kWeights + 1>();
    Of::template add<2, kInputs + 1, kWeights>();
    Of::template add<3, kInputs + 1, kWeights + 1>();
  }
  return 4 * kMatrixRows * kColumns * static_cast<int>(kLineBytes) * 2 / Of::kNumberBytes;
}

Kernels made() {
  Kernels table = *avx512_bf16_kernels();
  table.name = Isa::kName;
  table.prepare = prepare_tile;
  table.multiply = multiply;
  table.multiply_integers = multiply_only<OfMatrixBytes>;
  table.multiply_pairs = multiply_only<OfMatrixPairs>;
  table.rows_of_matrices = rows_of_matrices;
  return table;
}

}  // namespace
}  // namespace weft

const weft::Kernels* weft::amx_kernels() {
  static const Kernels table = made();
  return &table;
}
