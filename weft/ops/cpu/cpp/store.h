// What all kernels end with, and loops that are to be unrolled. Included by `tile.h`.
#pragma once
#include "prepare.h"

// Loops over rows and columns of a tile must leave no loop behind, or the sums would lie in memory.
#if defined(__clang__)
#define WEFT_UNROLL _Pragma("unroll")
#else
#define WEFT_UNROLL _Pragma("GCC unroll 16")
#endif

namespace weft {
namespace {

// What all kernels end with: bias, number format, columns that exist.
inline void store(const Layer& layer, Floats result, int row, int block, const Output& output) {
  const int column = block * kColumns;
  const int count = layer.outputs - column < kColumns ? layer.outputs - column : kColumns;
  alignas(kAlignment) float values[kColumns];
  Isa::store(values, result);
  if (layer.bias != nullptr)
    for (int i = 0; i < count; ++i) values[i] += layer.bias[column + i];
  const size_t at = static_cast<size_t>(row) * output.width + column;
  if (output.number == Number::rounded)
    for (float& value : values) value = widened(narrowed(value));
  if (output.number != Number::bfloat16) {
    float* out = static_cast<float*>(output.values) + at;
    if (count == kColumns) memcpy(out, values, sizeof values);
    else memcpy(out, values, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  uint16_t* out = static_cast<uint16_t*>(output.values) + at;
  if (count == kColumns)
    for (int i = 0; i < kColumns; ++i) out[i] = narrowed(values[i]);
  else
    for (int i = 0; i < count; ++i) out[i] = narrowed(values[i]);
}

}  // namespace
}  // namespace weft
