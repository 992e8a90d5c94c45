#include "dispatch.h"

#include "amx.h"

namespace weft {
namespace {

#ifdef WEFT_X86
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
bool has_bf16() { return has_vnni() && __builtin_cpu_supports("avx512bf16"); }
#endif

}  // namespace

std::vector<const Kernels*> levels() {
  std::vector<const Kernels*> found;
#ifdef WEFT_X86
  __builtin_cpu_init();
#ifdef WEFT_AMX
  if (why_no_amx() == nullptr) found.push_back(amx_kernels());
#endif
  if (has_bf16()) found.push_back(avx512_bf16_kernels());
  if (has_vnni()) found.push_back(avx512_vnni_kernels());
  if (has_avx512()) found.push_back(avx512_kernels());
  if (has_avx2()) found.push_back(avx2_kernels());
#endif
  found.push_back(portable_kernels());
  return found;
}

const char* why_no_amx() {
#ifdef WEFT_AMX
  __builtin_cpu_init();
  return has_bf16() ? refusal_of_amx() : "this processor has no AVX-512 for bfloat16, which AMX is used with";
#else
  return "the kernels were compiled without AMX";
#endif
}

const Kernels* level(const std::string& name) {
  for (const Kernels* kernels : levels())
    if (name == kernels->name) return kernels;
  return nullptr;
}

}  // namespace weft
