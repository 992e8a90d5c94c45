// The operations of a step on a pool of threads, done at once and, if asked for, remembered, to be done again.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attention_plan.h"
#include "engine.h"
#include "experts.h"
#include "step_kernels.h"

namespace weft {

// Operations with the addresses that they work on. What differs from step to step is in the memory behind these, and in
// the plan of attention. `tokens`, `positions`: of a step's rows, which are read there.
class Program {
 public:
  // Of the first `rows` rows of the step.
  using Work = std::function<void(AttentionPlan&, int rows)>;
  Program(int64_t* tokens, int64_t* positions, int most_rows)
      : tokens_(tokens), positions_(positions), rows_now_(most_rows) {}
  // What is added from now on is computed of so many rows, and can be of fewer.
  void expect(int rows) { rows_now_ = rows; }
  void add(const char* name, int rows, Work work);
  // Only the first `num_parts` are kept.
  void cut(size_t num_parts) { parts_.erase(parts_.begin() + static_cast<ptrdiff_t>(num_parts), parts_.end()); }
  // Whether each operation had a row for each of the step's.
  bool by_rows() const { return by_rows_; }
  // The first `num_parts` for `rows` other tokens at other positions. Throws `std::invalid_argument` for more than one
  // of them was recorded with, and for a plan of another step.
  void run(const int64_t* tokens, const int64_t* positions, int rows, AttentionPlan& plan, size_t num_parts) const;
  // The same for what was run last; how long each operation took, in seconds, by name and in their order.
  std::vector<std::pair<std::string, double>> profile(AttentionPlan& plan) const;
  size_t size() const { return parts_.size(); }

 private:
  struct Part {
    const char* name;
    int most_rows;
    Work work;
  };
  int64_t *tokens_, *positions_;
  int rows_now_;
  bool by_rows_ = true;
  std::vector<Part> parts_;
};

struct Embedding {
  const uint8_t* table;
  size_t row_bytes;
  int64_t num_rows;
};

// The weights of a layer that are floats, as rows: of a block of 16, each word of 4 bytes lies beside those of the
// others.
struct PackedEmbedding {
  const uint8_t* blocks;
  size_t block_bytes;
  size_t row_bytes;
  int64_t num_rows;
  void copy(int64_t row, uint8_t* output) const;
};

class Operations {
 public:
  Operations(Engine& engine, const StepKernels& kernels) : engine_(engine), kernels_(kernels) {}

  // Operations from now on are remembered too; null: no more.
  void record(Program* program) { program_ = program; }

  void linear(const Layer& layer, const Input& input, const Output& output);
  // Rows of a table. Throws `std::out_of_range` for one that it does not have.
  void embed(const Embedding& embedding, const int64_t* tokens, int count, uint8_t* output);
  void embed_packed(const PackedEmbedding& embedding, const int64_t* tokens, int count, uint8_t* output);
  void norm(Number number, const Rows& x, const void* weight, float eps, void* output);
  void add_norm(
      Number number, const Rows& x, const Rows& y, const void* weight, float eps, void* stream, void* output);
  void rotate(Number number, const Rows& x, const Rows& cosines, const Rows& sines, void* output);
  void gate(Number number, const Rows& both, void* output);
  void experts(std::shared_ptr<const Experts> experts, const ExpertRows& rows);
  void likeliest(const Rows& scores, int64_t* tokens);
  // Keep the new keys and values, then attend, by the plan's part for a state group.
  void attend(const Attention& layer, int group, AttentionPlan& plan);

 private:
  void perform(const char* name, int rows, Program::Work work);
  void attend_now(Attention layer, int group, AttentionPlan& plan, int rows);
  Pool& pool() { return engine_.pool(); }

  Engine& engine_;
  const StepKernels& kernels_;
  Program* program_ = nullptr;
};

// The kernels that go with a level of linear layers.
const StepKernels& steps_of(const Kernels& kernels);

}  // namespace weft
