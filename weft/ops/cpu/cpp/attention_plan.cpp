#include "attention_plan.h"

#include <algorithm>
#include <stdexcept>

namespace weft {
namespace {

// Rows of a unit: enough that a tile's keys are widened for many of them.
constexpr int kRowsOfUnit = 96;
// Units that a thread has to take at least, or their contexts are split.
constexpr int kUnitsOfThread = 4;

int first_seen(int position, int window) { return window == 0 ? 0 : std::max(0, position - window + 1); }

// Pairs of queries and keys, about.
double weight_of(const Unit& unit) {
  const int last = unit.position + unit.num_queries;
  return static_cast<double>(unit.num_queries) * (last - first_seen(unit.position, unit.table.window));
}

}  // namespace

AttentionPlan::AttentionPlan(std::vector<Span> spans, int block_tokens)
    : spans_(std::move(spans)), block_tokens_(block_tokens) {
  if (block_tokens_ < 1) throw std::invalid_argument("a block has no tokens");
  for (const Span& span : spans_) {
    if (span.first != num_rows_ || span.start < 0 || span.count < 1)
      throw std::invalid_argument("spans must follow each other and hold tokens");
    num_rows_ += span.count;
  }
}

void AttentionPlan::add_group(const int64_t* tables, int width, int64_t num_blocks, int window) {
  Group group{tables, width, window, {}, nullptr};
  group.slots.reserve(static_cast<size_t>(num_rows_));
  for (size_t index = 0; index < spans_.size(); ++index) {
    const Span& span = spans_[index];
    const int64_t* blocks = tables + index * width;
    const int end = span.start + span.count;
    if ((end - 1) / block_tokens_ >= width) throw std::invalid_argument("a table is too short");
    for (int block = first_seen(span.start, window) / block_tokens_; block <= (end - 1) / block_tokens_; ++block)
      if (blocks[block] < 0 || blocks[block] >= num_blocks) throw std::invalid_argument("a block is not there");
    for (int position = span.start; position < end; ++position)
      group.slots.push_back(blocks[position / block_tokens_] * block_tokens_ + position % block_tokens_);
  }
  groups_.push_back(std::move(group));
}

std::vector<Unit> AttentionPlan::units(const Group& group, int most_queries) const {
  std::vector<Unit> found;
  for (size_t index = 0; index < spans_.size(); ++index) {
    const Span& span = spans_[index];
    const Table table{group.tables + index * group.width, block_tokens_, group.window};
    for (int done = 0; done < span.count; done += most_queries) {
      const int count = std::min(most_queries, span.count - done), position = span.start + done;
      const int first = first_seen(position, group.window) / kSplitKeys, end = (position + count - 1) / kSplitKeys + 1;
      found.push_back({table, span.first + done, position, count, first, end, nullptr});
    }
  }
  return found;
}

const Cut& AttentionPlan::cut(int group, int ratio, int heads, int num_threads) {
  Group& chosen = groups_.at(group);
  if (chosen.cut != nullptr) return *chosen.cut;
  auto cut = std::make_unique<Cut>();
  const std::vector<Unit> all = units(chosen, std::max(1, kRowsOfUnit / ratio));
  for (const Unit& unit : all) cut->weight += weight_of(unit);
  const double fair = cut->weight * heads / (kUnitsOfThread * num_threads);
  for (const Unit& unit : all) {
    const int splits = unit.end_split - unit.first_split;
    cut->most_queries = std::max(cut->most_queries, unit.num_queries);
    if (splits == 1 || num_threads == 1 || weight_of(unit) <= fair) {
      cut->pieces.push_back({unit, 0, 0, 0});
      continue;
    }
    for (int split = 0; split < splits; ++split) {
      Unit part = unit;
      part.first_split = unit.first_split + split;
      part.end_split = part.first_split + 1;
      cut->pieces.push_back({part, splits, static_cast<size_t>(split), cut->num_partials});
    }
    cut->merges.push_back({unit, splits, 0, cut->num_partials});
    cut->num_partials += static_cast<size_t>(splits) * heads;
  }
  chosen.cut = std::move(cut);
  return *chosen.cut;
}

float* AttentionPlan::partials(size_t size) {
  if (size > partials_size_) {
    partials_ = aligned_bytes(size * sizeof(float));
    partials_size_ = size;
  }
  return reinterpret_cast<float*>(partials_.get());
}

}  // namespace weft
