// Which of a row's scores is the highest.
#pragma once
#include "step_numbers.h"

namespace weft {
namespace {

// Numbers whose highest is looked up among them.
constexpr int kChoiceNumbers = 16 * kLanes;

// What is found so far in a row. `spoilt`: 1 in lanes that saw a number that is not below infinity.
struct Highest {
  float value;
  int at;
  Floats spoilt;
};

inline void look_at(const float* scores, int first, int end, Highest& highest) {
  const Floats lowest = Lanes::splat(-__builtin_inff()), infinite = Lanes::splat(__builtin_inff());
  Floats found = lowest;
  for (int at = first; at < end; at += kLanes) {
    const int count = end - at;
    Floats values = load<Wide>(scores + at, count);
    if (count < kLanes) values = Lanes::only(values, 0, count, lowest);
    highest.spoilt = Lanes::where_less(values, infinite, highest.spoilt, Lanes::splat(1.0f));
    found = Lanes::max(values, found);
  }
  const float value = Lanes::highest(found);
  if (value > highest.value) highest.value = value, highest.at = first;
}

// The index of the highest, the first among equals; kNoChoice where that is not finite, or one is not a number.
inline int64_t likeliest_of(const float* scores, int width) {
  Highest highest{-__builtin_inff(), kNoChoice, Lanes::splat(0.0f)};
  for (int first = 0; first < width; first += kChoiceNumbers)
    look_at(scores, first, first + kChoiceNumbers < width ? first + kChoiceNumbers : width, highest);
  if (highest.at == kNoChoice || Lanes::highest(highest.spoilt) > 0.0f) return kNoChoice;
  int at = highest.at;
  while (scores[at] != highest.value) ++at;
  return at;
}

void likeliest(const Rows& scores, int64_t* tokens, int first, int end) {
  for (int index = first; index < end; ++index) tokens[index] = likeliest_of(row<Wide>(scores, index), scores.width);
}

}  // namespace
}  // namespace weft
