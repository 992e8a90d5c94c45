// AVX-512 F, BW, DQ and VL.
#include "isa_avx512.h"

namespace weft {
namespace {
const char* const Isa::kName = "avx512";
}
}  // namespace weft

#include "level.h"

const weft::Kernels* weft::avx512_kernels() { return &kTable; }
