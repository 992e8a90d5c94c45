// The eight registers of AMX: matrices of up to 16 rows of 64 bytes. In assembler, so that no compiler has to know
// them.
//
// Four hold sums, two inputs and two weights: twice 16 rows of inputs are multiplied with two blocks of 16 outputs.
#pragma once
#include <cstddef>
#include <cstdint>

namespace weft {
namespace {

constexpr int kMatrixRows = 16;
constexpr size_t kLineBytes = 64;

// Their numbers.
constexpr int kInputs = 4, kWeights = 6;
constexpr int sum_of_part(int part, int block) { return 2 * part + block; }

// What the processor is told of them, in its own format.
struct alignas(64) Shapes {
  uint8_t palette = 1, first_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int which, int num_rows, size_t num_bytes) {
    rows[which] = static_cast<uint8_t>(num_rows);
    row_bytes[which] = static_cast<uint16_t>(num_rows == 0 ? 0 : num_bytes);
  }
};

// In use for as long as this lives; a thread that leaves them empty is switched to and from as if it had none.
class MatrixRegisters {
 public:
  // Bytes of a row of inputs that are multiplied at once.
  explicit MatrixRegisters(size_t step_bytes) : step_bytes_(step_bytes) {}
  ~MatrixRegisters() { __asm__ volatile("tilerelease"); }
  MatrixRegisters(const MatrixRegisters&) = delete;
  MatrixRegisters& operator=(const MatrixRegisters&) = delete;

  // How many rows the two parts have; the second may have none. What the registers held is lost where that is new.
  void shape(int first, int second) {
    if (rows_[0] == first && rows_[1] == second) return;
    rows_[0] = first;
    rows_[1] = second;
    Shapes shapes;
    for (int part = 0; part < 2; ++part) {
      for (int block = 0; block < 2; ++block) shapes.set(sum_of_part(part, block), rows_[part], kLineBytes);
      shapes.set(kInputs + part, rows_[part], step_bytes_);
      shapes.set(kWeights + part, static_cast<int>(step_bytes_ / 4), kLineBytes);
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(shapes));
  }

 private:
  const size_t step_bytes_;
  int rows_[2] = {0, 0};
};

template <int Which>
inline void clear() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(Which));
}

// `stride`: bytes from one row to the next.
template <int Which>
inline void load(const void* at, size_t stride) {
  __asm__ volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "i"(Which), "r"(at), "r"(stride) : "memory");
}

template <int Which>
inline void save(void* at) {
  __asm__ volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "i"(Which), "r"(at), "r"(kLineBytes) : "memory");
}

// Bytes with sign times bytes without; each times bytes with sign; pairs of bfloat16.
template <int Sum, int Inputs, int Weights>
inline void add_unsigned() {
  __asm__ volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(Inputs), "i"(Weights));
}
template <int Sum, int Inputs, int Weights>
inline void add_signed() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(Inputs), "i"(Weights));
}
template <int Sum, int Inputs, int Weights>
inline void add_pairs() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(Inputs), "i"(Weights));
}

}  // namespace
}  // namespace weft
