// Queries, and tiles of keys and values, as the products read them.
#pragma once
#include "attention_products.h"

namespace weft {
namespace {

// Queries times the scale of scores; powers of two are cheaper than those of e.
template <class Format>
void load_floats(const typename Format::Type* from, int width, float scale, float* to) {
  for (int e = 0; e < width; e += kLanes)
    store<Wide>(to + e, Lanes::mul(load<Format>(from + e, width - e), Lanes::splat(scale)), width - e);
}

// Queries as integers of a byte, like the keys of an int8 cache.
template <class Format>
void load_integers(const typename Format::Type* from, int width, float scale, const State& state, int row) {
  const float step = step_of<Format>(from, width);
  state.query_scales[row] = step * scale;
  int8_t* bytes = query_bytes(state, row);
  memset(bytes + width, 0, static_cast<size_t>(state.padded_dim - width));
  int32_t total = 0;
  for (int e = 0; e < width; e += kLanes) {
    int8_t some[kLanes];
    Lanes::store_bytes(some, Lanes::words_of(in_steps<Format>(from + e, width - e, step)));
    const int count = width - e < kLanes ? width - e : kLanes;
    memcpy(bytes + e, some, static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) total += some[i];
  }
  state.starts[row] = -128 * total;  // keys are multiplied as they are with 128 added
}

template <class Format>
void load_query_rows(const Attention& layer, const Unit& unit, int group, const State& state) {
  const int width = layer.cache.head_dim;
  const float scale = layer.scale * 1.44269504088896f;
  for (int r = 0; r < state.num_rows; ++r) {
    const auto* from = row<Format>(layer.queries, unit.row + r / state.ratio, group * state.ratio + r % state.ratio);
    if (state.has_scales) load_integers<Format>(from, width, scale, state, r);
    else load_floats<Format>(from, width, scale, state.queries + static_cast<size_t>(r) * width);
  }
}

inline void load_queries(const Attention& layer, const Unit& unit, int group, const State& state) {
  if (layer.number == Number::float32) load_query_rows<Wide>(layer, unit, group, state);
  else load_query_rows<Narrow>(layer, unit, group, state);
}

// Where the heads of a tile are; null where nobody sees them.
struct Heads {
  const uint8_t *keys[kTileKeys], *values[kTileKeys];
};

inline void find_heads(const Attention& layer, const Unit& unit, int group, int tile, Range seen, Heads& heads) {
  const Cache& cache = layer.cache;
  const Table& table = unit.table;
  const size_t slot_bytes = cache.slot_bytes(), offset = static_cast<size_t>(group) * cache.head_bytes;
  for (int key = 0; key < kTileKeys; ++key) heads.keys[key] = heads.values[key] = nullptr;
  for (int key = seen.low; key < seen.high;) {
    const int position = tile * kTileKeys + key, within = position % table.block_tokens;
    const int64_t block = table.blocks[position / table.block_tokens];
    size_t at = (static_cast<size_t>(block) * table.block_tokens + within) * slot_bytes + offset;
    for (int i = within; i < table.block_tokens && key < seen.high; ++i, ++key, at += slot_bytes) {
      heads.keys[key] = cache.keys + at;
      heads.values[key] = cache.values + at;
    }
  }
}

// All lines of a tile are asked for at once, since nothing else tells the memory where the next block is.
inline void fetch_heads(const Heads& heads, Range seen, int head_bytes) {
  for (int key = seen.low; key < seen.high; ++key)
    for (int at = 0; at < head_bytes; at += 64) {
      const int byte = at + 64 < head_bytes ? at : head_bytes - 1;
      __builtin_prefetch(heads.keys[key] + byte);
      __builtin_prefetch(heads.values[key] + byte);
    }
}

// Values that some row sees as a panel, and zeros around them. Returns whether all are finite.
template <class Format>
bool widen_values(const Attention& layer, const State& state, Range seen, const Heads& heads) {
  Floats sound = Lanes::splat(0.0f);
  const int end = (seen.high + kLanes - 1) / kLanes * kLanes;
  for (int key = seen.low / kLanes * kLanes; key < end; ++key) {
    float* value = state.values + static_cast<size_t>(key) * state.padded_dim;
    if (heads.values[key] == nullptr) memset(value, 0, static_cast<size_t>(state.padded_dim) * sizeof *value);
    else sound = widen_value<Format>(heads.values[key], layer.cache.head_dim, value, sound);
  }
  return Format::kHasScale || sum(sound) == 0.0f;
}

template <class Format>
void widen_seen_keys(const Attention& layer, const State& state, Range seen, const Heads& heads) {
  const int dim = layer.cache.head_dim;
  for (int first = seen.low / kLanes * kLanes; first < seen.high; first += kLanes) {
    if constexpr (Format::kHasScale)
      for (int key = first; key < first + kLanes; ++key) {
        state.key_scales[key] = heads.keys[key] == nullptr ? 0.0f : scale_at(heads.keys[key], dim);
        state.value_scales[key] = heads.keys[key] == nullptr ? 0.0f : scale_at(heads.values[key], dim);
      }
    widen_keys<Format>(heads.keys + first, dim, state.keys + first);
  }
}

}  // namespace
}  // namespace weft
