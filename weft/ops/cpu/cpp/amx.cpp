#include "amx.h"

#ifdef __linux__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace weft {
namespace {

#ifdef __linux__
// Bits of what the processor tells of itself, and of what the system saves of each thread.
constexpr unsigned kBfloat16 = 1u << 22, kMatrices = 1u << 24, kBytes = 1u << 25;
constexpr unsigned kSavedByExtended = 1u << 27, kSaved = 3u << 17;
constexpr int kAskForState = 0x1023, kStateOfRegisters = 18;  // of arch_prctl(2)

bool processor_has_it() {
  unsigned a, b, c, d;
  constexpr unsigned kWanted = kBfloat16 | kMatrices | kBytes;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kWanted) == kWanted;
}

bool system_saves_it() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kSavedByExtended) == 0) return false;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kSaved) == kSaved;
}

const char* ask() {
  if (!processor_has_it()) return "this processor has no AMX for bytes and bfloat16";
  if (!system_saves_it()) return "the system does not save the registers of AMX";
  if (syscall(SYS_arch_prctl, kAskForState, kStateOfRegisters) != 0)
    return "the system refuses this process the registers of AMX";
  return nullptr;
}
#else
const char* ask() { return "AMX is used on Linux alone"; }
#endif

}  // namespace

const char* refusal_of_amx() {
  static const char* const reason = ask();
  return reason;
}

}  // namespace weft
