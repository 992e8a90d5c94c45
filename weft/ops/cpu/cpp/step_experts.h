// A token's way to its experts and back: choosing them, adding up what they made.
#pragma once
#include "step_numbers.h"

namespace weft {
namespace {

// The first of those offered by score, among equals those offered first; from the first to the last. A NaN comes after
// whom it follows and before nobody.
struct Ranking {
  int32_t* experts;
  float* scores;
  int most, count = 0;

  inline void offer(int expert, float score) {
    if (count == most && !(score > scores[most - 1])) return;
    int at = count < most ? count++ : most - 1;
    for (; at > 0 && score > scores[at - 1]; --at) {
      experts[at] = experts[at - 1];
      scores[at] = scores[at - 1];
    }
    experts[at] = expert;
    scores[at] = score;
  }
};

template <class Format>
void rank(const typename Format::Type* scores, int count, Ranking& ranking) {
  float lanes[kLanes];
  for (int at = 0; at < count; at += kLanes) {
    Lanes::store(lanes, load<Format>(scores + at, count - at));
    for (int i = 0; i < kLanes && at + i < count; ++i) ranking.offer(at + i, lanes[i]);
  }
}

inline Floats above(Floats scores, float highest) { return exponential(Lanes::sub(scores, Lanes::splat(highest))); }

// What all shares are divided by: one NaN or infinity makes it a NaN, and all weights.
template <class Format>
float total_of(const typename Format::Type* scores, int count, float highest) {
  Floats total = Lanes::splat(0.0f);
  for (int at = 0; at < count; at += kLanes) {
    const Floats each = above(load<Format>(scores + at, count - at), highest);
    const int width = count - at < kLanes ? count - at : kLanes;
    total = Lanes::add(total, Lanes::only(each, 0, width, Lanes::splat(0.0f)));
  }
  return sum(total);
}

inline void divide(float* values, int count, float by) {
  for (int i = 0; i < count; ++i) values[i] /= by;
}

// By index, from the lowest.
inline void sort_by_expert(int32_t* experts, float* weights, int count) {
  for (int i = 1; i < count; ++i) {
    const int32_t expert = experts[i];
    const float weight = weights[i];
    int at = i;
    for (; at > 0 && experts[at - 1] > expert; --at) {
      experts[at] = experts[at - 1];
      weights[at] = weights[at - 1];
    }
    experts[at] = expert;
    weights[at] = weight;
  }
}

template <class Format>
void route_row(
    const typename Format::Type* scores, int count, const Choice& choice, int32_t* experts, float* weights) {
  const int chosen = choice.num_chosen;
  Ranking ranking{experts, weights, chosen};
  rank<Format>(scores, count, ranking);
  const float highest = weights[0], total = total_of<Format>(scores, count, highest);
  for (int at = 0; at < chosen; at += kLanes)
    store<Wide>(weights + at, above(load<Wide>(weights + at, chosen - at), highest), chosen - at);
  divide(weights, chosen, total);
  if (choice.sums_to_one) {
    float sum = 0.0f;
    for (int i = 0; i < chosen; ++i) sum += weights[i];
    divide(weights, chosen, sum);
  }
  sort_by_expert(experts, weights, chosen);
}

void route(
    Number number, const Rows& scores, const Choice& choice, int32_t* experts, float* weights, int first, int end) {
  for (int index = first; index < end; ++index) {
    const int64_t at = static_cast<int64_t>(index) * choice.num_chosen;
    if (number == Number::float32)
      route_row<Wide>(row<Wide>(scores, index), scores.width, choice, experts + at, weights + at);
    else route_row<Narrow>(row<Narrow>(scores, index), scores.width, choice, experts + at, weights + at);
  }
}

// In float32, in the order in which a token's experts come, rounded once.
template <class Format>
void weigh_row(
    const typename Format::Type* made, int width, const int32_t* places, const float* weights, int num_chosen,
    typename Format::Type* out) {
  for (int at = 0; at < width; at += kLanes) {
    Floats total = Lanes::splat(0.0f);
    for (int i = 0; i < num_chosen; ++i) {
      const Floats part = load<Format>(made + static_cast<int64_t>(places[i]) * width + at, width - at);
      total = Lanes::fma(Lanes::splat(weights[i]), part, total);
    }
    store<Format>(out + at, total, width - at);
  }
}

template <class Format>
void weigh_rows(const Weighing& weighing, void* output, int first, int end) {
  using Type = typename Format::Type;
  for (int index = first; index < end; ++index) {
    const int64_t at = static_cast<int64_t>(index) * weighing.num_chosen;
    Type* out = static_cast<Type*>(output) + static_cast<int64_t>(index) * weighing.width;
    weigh_row<Format>(
        static_cast<const Type*>(weighing.made), weighing.width, weighing.places + at, weighing.weights + at,
        weighing.num_chosen, out);
  }
}

void weigh(Number number, const Weighing& weighing, void* output, int first, int end) {
  if (number == Number::float32) weigh_rows<Wide>(weighing, output, first, end);
  else weigh_rows<Narrow>(weighing, output, first, end);
}

}  // namespace
}  // namespace weft
