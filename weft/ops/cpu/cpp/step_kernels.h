// What a level of lanes offers for all of a step but its linear layers, and the data that it works on. Plain types only,
// as in kernels.h.
#pragma once
#include "kernels.h"

namespace weft {

constexpr int kLanes = 16;
constexpr int kTileKeys = 64;     // keys that are weighed together, at absolute positions
constexpr int kSplitKeys = 512;   // keys whose weighted sum is made by itself, at absolute positions

// Rows of numbers, `stride` numbers from one to the next. Each holds `parts` vectors of `width` side by side.
struct Rows {
  const void* values;
  int64_t stride;
  int count, parts, width;
};

// In place of an index: the highest of a row is not finite, or one of it is not a number.
constexpr int kNoChoice = -1;

// Numbers of the cache. int8: a head's numbers of a token, then their scale in float32.
enum class CacheFormat : int { float32 = 0, bfloat16 = 1, int8 = 2 };

struct Cache {
  CacheFormat format;
  uint8_t* keys;
  uint8_t* values;
  int heads, head_dim, head_bytes;  // of keys and values; bytes with the scale

  size_t slot_bytes() const { return static_cast<size_t>(heads) * head_bytes; }
};

// A layer's attention: rows of a step, `number` their format. The output's rows lie one after the other.
struct Attention {
  Number number;
  Rows queries, keys, values;
  void* output;
  Cache cache;
  float scale;  // of scores

  int heads_per_group() const { return queries.parts / cache.heads; }
  int padded_dim() const { return (cache.head_dim + kLanes - 1) / kLanes * kLanes; }
};

// Where a sequence's keys are, by position: in blocks, and below 0 where there are none (any more).
struct Table {
  const int64_t* blocks;
  int block_tokens;
  int window;  // how many a token sees, itself among them; 0: all before it
};

// Consecutive queries of a sequence: packed rows from `row` on, positions from `position` on. Of what they see, the splits
// `first_split` to `end_split`. `partials`: where these go, one by one; null: they are merged to the result.
struct Unit {
  Table table;
  int row, position, num_queries, first_split, end_split;
  float* partials;
};

// How many experts a token has, and whether their weights are divided by their sum.
struct Choice {
  int num_chosen;
  bool sums_to_one;
};

// Rows of experts, `width` numbers each, and which of them are a token's: their places, and their weights.
struct Weighing {
  const void* made;
  int width, num_chosen;
  const int32_t* places;
  const float* weights;
};

struct StepKernels {
  const char* name;
  // Numbers of float that `attend` and `merge` need as scratch, and those of one partial result, for so many queries.
  size_t (*scratch_floats)(const Attention&, int num_queries);
  size_t (*partial_floats)(const Attention&, int num_queries);
  // Keep the new key and value of a row in its slot.
  void (*keep)(const Attention&, int row, int64_t slot);
  // Attend with all query heads of a group; or put together what a unit's splits have left.
  void (*attend)(const Attention&, const Unit&, int group, float* scratch);
  void (*merge)(const Attention&, const Unit&, int group, float* scratch);
  // Rows `first` to `end` of an operation; outputs lie one after the other.
  void (*norm)(Number, const Rows& x, const void* weight, float eps, void* output, int first, int end);
  void (*add_norm)(
      Number, const Rows& x, const Rows& y, const void* weight, float eps, void* stream, void* output, int first, int end);
  void (*rotate)(Number, const Rows& x, const Rows& cosines, const Rows& sines, void* output, int first, int end);
  void (*gate)(Number, const Rows& both, void* output, int first, int end);
  // The experts that the scores of a row rank first, ascending by index, and their weights.
  void (*route)(
      Number, const Rows& scores, const Choice&, int32_t* experts, float* weights, int first, int end);
  // The weighted sum of what a token's experts made.
  void (*weigh)(Number, const Weighing&, void* output, int first, int end);
  // Which of a row's scores, in float32, is the highest: the first among equals, or kNoChoice.
  void (*likeliest)(const Rows& scores, int64_t* tokens, int first, int end);
};

const StepKernels* portable_steps();
#ifdef WEFT_X86
const StepKernels* avx2_steps();
const StepKernels* avx512_steps();
const StepKernels* avx512_vnni_steps();
#endif

}  // namespace weft
