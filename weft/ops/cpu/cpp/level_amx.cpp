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

namespace weft {
namespace {

// Of so few rows integers are multiplied sooner by vectors, with the same bits.
constexpr int kLeastRows = 16;

// Of floats all rows or none, since the order of additions is another one.
int rows_of_matrices(const Layer& layer, const Input& input) {
  if (is_narrow(layer.format)) return input.rows < kLeastRows ? 0 : kMostRows;
  const bool in_pairs = layer.format == Format::bfloat16 && input.number == Number::bfloat16;
  return in_pairs && layer.inputs % kPairsStep == 0 ? kMostRows : 0;
}

void prepare_tile(const Layer& layer, const Input& input, const Tile& tile) {
  if (tile.in_matrices) lay(layer, input, tile);
  else avx512_bf16_kernels()->prepare(layer, input, tile);
}

void multiply(
    const Layer& layer, const Tile& tile, int first_block, int num_blocks, const Output& output, bool is_first) {
  const int end = first_block + num_blocks;
  if (!tile.in_matrices)
    return avx512_bf16_kernels()->multiply(layer, tile, first_block, num_blocks, output, is_first);
  if (tile.in_pairs) return multiply_matrix<OfMatrixPairs>(layer, tile, first_block, end, output);
  if (layer.format == Format::int8 && layer.num_groups() == 1)
    return multiply_matrix<OfMatrixBytes>(layer, tile, first_block, end, output);
  multiply_groups(layer, tile, first_block, end, output);
}

// Ceilings: four sums at once, the inputs and weights whatever the registers begin with.
template <class Of>
int multiply_only(int64_t times) {
  const MatrixRegisters registers({kMatrixRows, kMatrixRows}, kLineBytes);
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
