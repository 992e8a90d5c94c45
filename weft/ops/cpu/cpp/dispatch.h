// Which levels of instructions this processor has.
#pragma once
#include <string>
#include <vector>

#include "kernels.h"

namespace weft {

// From the fastest to the portable one, which is always there.
std::vector<const Kernels*> levels();

// The level of that name; null where this processor does not have it, or nobody does.
const Kernels* level(const std::string& name);

// Null where AMX can be used.
const char* why_no_amx();

}  // namespace weft
