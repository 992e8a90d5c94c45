#include "operations.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include "work.h"

namespace weft {
namespace {

// Multiplications of attention below which waking other threads costs more than they save.
constexpr double kSmallAttention = 1 << 17;

constexpr size_t kWordBytes = 4;
// From so many on, rows are gathered by all threads.
constexpr int kManyRows = 16;

void check(const int64_t* tokens, int count, int64_t num_rows) {
  for (int i = 0; i < count; ++i)
    if (tokens[i] < 0 || tokens[i] >= num_rows) throw std::out_of_range("index out of range in a table");
}

Rows of_first(Rows rows, int count) {
  rows.count = count;
  return rows;
}

// Each thread's own, as large as the largest so far.
float* scratch(size_t size) {
  thread_local AlignedBytes bytes;
  thread_local size_t known = 0;
  if (size > known) {
    bytes.reset();
    known = 0;
    bytes = aligned_bytes(size * sizeof(float));
    known = size;
  }
  return reinterpret_cast<float*>(bytes.get());
}

}  // namespace

const StepKernels& steps_of(const Kernels& kernels) {
#ifdef WEFT_X86
  if (&kernels == avx2_kernels()) return *avx2_steps();
  if (&kernels == avx512_kernels()) return *avx512_steps();
  if (&kernels != portable_kernels()) return *avx512_vnni_steps();
#endif
  (void)kernels;
  return *portable_steps();
}

void Program::add(const char* name, int rows, Work work) {
  by_rows_ = by_rows_ && rows == rows_now_;
  parts_.push_back({name, rows, std::move(work)});
}

void Program::run(
    const int64_t* tokens, const int64_t* positions, int rows, AttentionPlan& plan, size_t num_parts) const {
  if (plan.num_rows() != rows) throw std::invalid_argument("a plan is of another step");
  num_parts = std::min(num_parts, parts_.size());
  for (size_t part = 0; part < num_parts; ++part)
    if (rows > parts_[part].most_rows) throw std::invalid_argument("a step of more rows than were recorded");
  memcpy(tokens_, tokens, static_cast<size_t>(rows) * sizeof *tokens);
  memcpy(positions_, positions, static_cast<size_t>(rows) * sizeof *positions);
  for (size_t part = 0; part < num_parts; ++part) parts_[part].work(plan, rows);
}

std::vector<std::pair<std::string, double>> Program::profile(AttentionPlan& plan) const {
  std::vector<std::pair<std::string, double>> found;
  for (const Part& part : parts_) {
    const auto begin = std::chrono::steady_clock::now();
    part.work(plan, plan.num_rows());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    found.emplace_back(part.name, took.count());
  }
  return found;
}

void Operations::perform(const char* name, int rows, Program::Work work) {
  AttentionPlan none({}, 1);
  work(none, rows);
  if (program_ != nullptr) program_->add(name, rows, std::move(work));
}

void Operations::linear(const Layer& layer, const Input& input, const Output& output) {
  perform("linear", input.rows, [=](AttentionPlan&, int rows) {
    engine_.linear({layer, {input.number, input.values, rows, input.width}, output});
  });
}

void PackedEmbedding::copy(int64_t row, uint8_t* output) const {
  const uint8_t* words = blocks + row / kColumns * block_bytes + row % kColumns * kWordBytes;
  for (size_t at = 0; at < row_bytes; at += kWordBytes, words += kColumns * kWordBytes)
    memcpy(output + at, words, std::min(kWordBytes, row_bytes - at));
}

void Operations::embed(const Embedding& embedding, const int64_t* tokens, int count, uint8_t* output) {
  perform("embed", count, [=](AttentionPlan&, int rows) {
    check(tokens, rows, embedding.num_rows);
    for (int i = 0; i < rows; ++i)
      memcpy(output + i * embedding.row_bytes, embedding.table + tokens[i] * embedding.row_bytes, embedding.row_bytes);
  });
}

void Operations::embed_packed(const PackedEmbedding& embedding, const int64_t* tokens, int count, uint8_t* output) {
  perform("embed", count, [=](AttentionPlan&, int rows) {
    check(tokens, rows, embedding.num_rows);
    each(pool(), rows, rows < kManyRows, [&](int i) { embedding.copy(tokens[i], output + i * embedding.row_bytes); });
  });
}

void Operations::norm(Number number, const Rows& x, const void* weight, float eps, void* output) {
  perform("norm", x.count, [=](AttentionPlan&, int rows) {
    by_rows(pool(), of_first(x, rows), [&](int first, int end) {
      kernels_.norm(number, x, weight, eps, output, first, end);
    });
  });
}

void Operations::add_norm(
    Number number, const Rows& x, const Rows& y, const void* weight, float eps, void* stream, void* output) {
  perform("add_norm", x.count, [=](AttentionPlan&, int rows) {
    by_rows(pool(), of_first(x, rows), [&](int first, int end) {
      kernels_.add_norm(number, x, y, weight, eps, stream, output, first, end);
    });
  });
}

void Operations::rotate(Number number, const Rows& x, const Rows& cosines, const Rows& sines, void* output) {
  perform("rotate", x.count, [=](AttentionPlan&, int rows) {
    by_rows(pool(), of_first(x, rows), [&](int first, int end) {
      kernels_.rotate(number, x, cosines, sines, output, first, end);
    });
  });
}

void Operations::gate(Number number, const Rows& both, void* output) {
  perform("gate", both.count, [=](AttentionPlan&, int rows) {
    by_rows(pool(), of_first(both, rows), [&](int first, int end) { kernels_.gate(number, both, output, first, end); });
  });
}

void Operations::experts(std::shared_ptr<const Experts> experts, const ExpertRows& rows) {
  perform("experts", rows.tokens.count, [=](AttentionPlan&, int count) {
    ExpertRows some = rows;
    some.scores.count = some.tokens.count = count;
    compute_experts(*experts, some, engine_, kernels_);
  });
}

void Operations::likeliest(const Rows& scores, int64_t* tokens) {
  perform("likeliest", scores.count, [=](AttentionPlan&, int rows) {
    by_rows(pool(), of_first(scores, rows), [&](int first, int end) {
      kernels_.likeliest(scores, tokens, first, end);
    });
  });
}

void Operations::attend(const Attention& layer, int group, AttentionPlan& plan) {
  const int count = layer.queries.count;
  attend_now(layer, group, plan, count);
  if (program_ != nullptr)
    program_->add("attend", count, [=](AttentionPlan& other, int rows) { attend_now(layer, group, other, rows); });
}

void Operations::attend_now(Attention layer, int group, AttentionPlan& plan, int rows) {
  layer.queries.count = layer.keys.count = layer.values.count = rows;
  const int heads = layer.cache.heads;
  const std::vector<int64_t>& slots = plan.slots(group);
  if (static_cast<int>(slots.size()) != layer.queries.count) throw std::invalid_argument("a plan is of another step");
  by_rows(pool(), layer.keys, [&](int first, int end) {
    for (int row = first; row < end; ++row) kernels_.keep(layer, row, slots[row]);
  });
  const Cut& cut = plan.cut(group, layer.heads_per_group(), heads, pool().num_threads());
  const size_t floats = kernels_.scratch_floats(layer, cut.most_queries);
  const auto partials_of = [&](const Unit& unit) { return kernels_.partial_floats(layer, unit.num_queries); };
  // Each as large as that of the most queries, so that places do not depend on units.
  const size_t room = kernels_.partial_floats(layer, cut.most_queries);
  float* partials = cut.num_partials == 0 ? nullptr : plan.partials(room * cut.num_partials);
  const auto place = [&](const Piece& piece, int head) {
    const size_t first = piece.num_before + static_cast<size_t>(head) * piece.num_splits;
    return partials + first * room + piece.place * partials_of(piece.unit);
  };
  const double work = cut.weight * layer.queries.parts * layer.cache.head_dim * 2;
  const auto take = [&](const std::vector<Piece>& pieces, const auto& kernel) {
    each(pool(), static_cast<int>(pieces.size()) * heads, work < kSmallAttention, [&](int index) {
      const Piece& piece = pieces[index / heads];
      Unit unit = piece.unit;
      unit.partials = piece.num_splits == 0 ? nullptr : place(piece, index % heads);
      kernel(layer, unit, index % heads, scratch(floats));
    });
  };
  take(cut.pieces, kernels_.attend);
  take(cut.merges, kernels_.merge);
}

}  // namespace weft
