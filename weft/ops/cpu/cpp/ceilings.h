// What this machine can do at most, measured with the threads and the instructions that the kernels use.
#pragma once
#include <string>

#include "engine.h"

namespace weft {

// Bytes per second of all threads that read `size` bytes once.
double read_bandwidth(Engine& engine, size_t size);

// Operations per second of all threads that do nothing else, for about `seconds`: "int8" (products of bytes),
// "bfloat16" (of pairs; 0 where there is no such instruction) or "float32" (fused multiplications and additions).
double peak(Engine& engine, const std::string& kind, double seconds);

}  // namespace weft
