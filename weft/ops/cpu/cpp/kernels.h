// What a level of instructions offers, and the data that it works on. Plain types only: files that include this are
// compiled with different flags, and the linker may keep any one copy of an inline function of the standard library.
#pragma once
#include <cstddef>
#include <cstdint>

namespace weft {

constexpr int kColumns = 16;    // outputs that are packed side by side
constexpr size_t kAlignment = 64;

// `rounded`: of results, bfloat16 that are written as float32.
enum class Number : int { float32 = 0, bfloat16 = 1, rounded = 2 };
// Of weights, and whether activations become int8: those of `_a16`, whose weights are the same bytes, stay as they come.
// `int4_whole`: int4 whose scales are whole numbers of at most kMostScale.
enum class Format : int { int4 = 0, int8 = 1, bfloat16 = 2, float32 = 3, int4_a16 = 4, int8_a16 = 5, int4_whole = 6 };

// Two numbers in a byte, multiplied as they are.
inline constexpr bool is_halves(Format format) { return format == Format::int4 || format == Format::int4_whole; }

// Activations become int8.
inline constexpr bool is_narrow(Format format) { return is_halves(format) || format == Format::int8; }

// Weights are integers, and activations are not.
inline constexpr bool is_mixed(Format format) { return format == Format::int4_a16 || format == Format::int8_a16; }

inline constexpr size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

// Integers come in groups of so many inputs or of multiples of it.
constexpr int kUnit = 32;
// Of integers with whole scales, sums over so many inputs stay below 2^31, and a unit's below 2^15; more are added up in
// floats.
constexpr int kMostScale = 128, kExactInputs = 16384;
static_assert(int64_t{kExactInputs} * 127 * 8 * kMostScale < int64_t{1} << 31 && kUnit * 127 * 8 < 1 << 15);
// The scales of a group in half precision, and how many groups share the 64 bytes that lie before their numbers.
constexpr size_t kScaleBytes = 2 * kColumns;
constexpr int kGroupsOfLine = 2;

// A packed weight. `blocks` holds kColumns outputs each, `block_bytes` apart, group by group: the scales of two groups,
// then their numbers. `factors`: one per output, multiplied in last; null for floats, which have no scales either.
// `inputs` is padded with zeros: to whole groups, or to pairs.
struct Layer {
  Format format;
  const uint8_t* blocks;
  size_t block_bytes;
  const float* factors;
  const float* bias;
  int outputs, inputs, group_inputs;

  int num_groups() const { return inputs / group_inputs; }
  // Of inputs whose products with integers are summed up by themselves.
  int sum_inputs() const { return format == Format::int4_whole ? kUnit : group_inputs; }
  int num_sums() const { return inputs / sum_inputs(); }
  int num_blocks() const { return (outputs + kColumns - 1) / kColumns; }
};

// Rows of activations as they come: `width` numbers each, one row after the other; or of these rows those of `indexes`.
struct Input {
  Number number;
  const void* values;
  int rows, width;
  const int32_t* indexes = nullptr;

  // The first number of a row.
  size_t place(int row) const { return static_cast<size_t>(indexes == nullptr ? row : indexes[row]) * width; }
};

struct Output {
  Number number;
  void* values;
  int width;
};

// Rows of a tile as kernels read them. `values`: for integers [inputs / 4][rows][4], for pairs of bfloat16
// [inputs / 2][rows][2], for float32 [inputs][rows]; pairs that integers are multiplied with are the first and the
// third of four inputs, then the second and the last. Of integers alone, `scales`: [rows], and `starts`:
// [sums][rows], what each of `Layer::num_sums` begins with. `in_matrices`: as AMX reads them, see `matrix_inputs.h`.
struct Tile {
  uint8_t* values;
  float* scales;
  int32_t* starts;
  int first_row, rows;
  bool in_pairs, in_matrices;
};

struct Kernels {
  const char* name;
  int rows_of_tile;
  bool multiplies_bfloat16;  // in pairs, without widening them
  // Fill rows of a tile from those of the input.
  void (*prepare)(const Layer&, const Input&, const Tile&, int first, int end);
  // Columns of `num_blocks` blocks for the rows of a tile. `is_first`: the weights come from memory, not from a cache.
  void (*multiply)(const Layer&, const Tile&, int first_block, int num_blocks, const Output&, bool is_first);
  // Ceilings: touch all of a buffer; that many products, sixteen sums at once; how many operations one of these is.
  uint64_t (*read)(const uint8_t* bytes, size_t size);
  int (*multiply_integers)(int64_t times);
  int (*multiply_floats)(int64_t times);
  int (*multiply_pairs)(int64_t times);
  // The most rows of a tile in matrices; 0 where products with such an input are for vectors.
  int (*rows_of_matrices)(const Layer&, const Input&) = nullptr;
};

const Kernels* portable_kernels();
#ifdef WEFT_X86
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* avx512_vnni_kernels();
const Kernels* avx512_bf16_kernels();
#endif
#ifdef WEFT_AMX
const Kernels* amx_kernels();
#endif

}  // namespace weft
