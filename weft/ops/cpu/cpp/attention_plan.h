// What attention has to do in a step, worked out once for all layers.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "engine.h"
#include "step_kernels.h"

namespace weft {

// Rows `first` to `first + count` of a step are the positions from `start` on of one sequence.
struct Span {
  int first, start, count;
};

// A unit of attention. `num_splits`: of all that its queries see, where they are computed one by one; else 0. `place`: of
// these, how many of other pieces come before.
struct Piece {
  Unit unit;
  int num_splits;
  size_t place, num_before;
};

// The work of a step's layers with state in one group: `merges` are what remains when the pieces are done.
struct Cut {
  std::vector<Piece> pieces, merges;
  int most_queries = 0;
  double weight = 0;  // pairs of a query and a key
  size_t num_partials = 0;
};

class AttentionPlan {
 public:
  // Throws `std::invalid_argument` where spans are not what a step can have.
  AttentionPlan(std::vector<Span> spans, int block_tokens);

  // A state group: per span its blocks by index, `width` of them, all below `num_blocks`; see `Table`. The caller keeps
  // `tables`. Throws `std::invalid_argument` where a block that is needed is not there.
  void add_group(const int64_t* tables, int width, int64_t num_blocks, int window);

  int num_rows() const { return num_rows_; }
  // The slot of each row in a group.
  const std::vector<int64_t>& slots(int group) const { return groups_.at(group).slots; }
  // The work of a group, cut for so many query heads per head of keys, of which there are `heads`, and threads. All
  // layers of a model are alike in that.
  const Cut& cut(int group, int ratio, int heads, int num_threads);
  // Room for partial results.
  float* partials(size_t size);

 private:
  struct Group {
    const int64_t* tables;
    int width, window;
    std::vector<int64_t> slots;
    std::unique_ptr<Cut> cut;
  };

  std::vector<Unit> units(const Group& group, int most_queries) const;

  std::vector<Span> spans_;
  const int block_tokens_;
  int num_rows_ = 0;
  std::vector<Group> groups_;
  AlignedBytes partials_;
  size_t partials_size_ = 0;
};

}  // namespace weft
