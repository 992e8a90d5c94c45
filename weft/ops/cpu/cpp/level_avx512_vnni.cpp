// AVX-512 with products of bytes (VNNI).
#define WEFT_VNNI
#include "isa_avx512.h"

namespace weft {
namespace {
const char* const Isa::kName = "avx512_vnni";
}
}  // namespace weft

#include "level.h"

const weft::Kernels* weft::avx512_vnni_kernels() { return &kTable; }
