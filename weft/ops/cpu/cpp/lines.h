// A block of integer weights as one stream: the scales of two groups, their numbers, and so on.
#pragma once
#include "kernels.h"

namespace weft {
namespace {

// Where the scales of a group and its numbers lie.
struct Lines {
  const uint8_t *numbers, *scales;

  explicit Lines(const Layer& layer, int block)
      : numbers(layer.blocks + static_cast<size_t>(block) * layer.block_bytes), scales(numbers) {}
  inline void begin(int group) {
    if (group % kGroupsOfLine == 0) {
      scales = numbers;
      numbers += kAlignment;
    } else {
      scales += kScaleBytes;
    }
  }
};

}  // namespace
}  // namespace weft
