// AVX-512 with products of bytes (VNNI) and of pairs of bfloat16.
#define WEFT_VNNI
#define WEFT_BF16
#include "isa_avx512.h"

namespace weft {
namespace {
const char* const Isa::kName = "avx512_bf16";
}
}  // namespace weft

#include "level.h"

const weft::Kernels* weft::avx512_bf16_kernels() { return &kTable; }
