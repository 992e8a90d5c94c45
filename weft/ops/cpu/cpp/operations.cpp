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

void Program::run(const int64_t* tokens, const int64_t* positions, AttentionPlan& plan, size_t num_parts) const {
  if (plan.num_rows() != count_) throw std::invalid_argument("a plan is of another step");
  memcpy(tokens_, tokens, static_cast<size_t>(count_) * sizeof *tokens);
  memcpy(positions_, positions, static_cast<size_t>(count_) * sizeof *positions);
  for (size_t part = 0; part < std::min(num_parts, parts_.size()); ++part) parts_[part].work(plan);
}

std::vector<std::pair<std::string, double>> Program::profile(AttentionPlan& plan) const {
  std::vector<std::pair<std::string, double>> found;
  for (const Part& part : parts_) {
    const auto begin = std::chrono::steady_clock::now();
    part.work(plan);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    found.emplace_back(part.name, took.count());
  }
  return found;
}

void Operations::perform(const char* name, Program::Work work) {
  AttentionPlan none({}, 1);
  work(none);
  if (program_ != nullptr) program_->add(name, std::move(work));
}

void Operations::linear(const Layer& layer, const Input& input, const Output& output) {
  perform("linear", [=](AttentionPlan&) { engine_.linear({layer, input, output}); });
}

void PackedEmbedding::copy(int64_t row, uint8_t* output) const {
  const uint8_t* words = blocks + row / kColumns * block_bytes + row % kColumns * kWordBytes;
  for (size_t at = 0; at < row_bytes; at += kWordBytes, words += kColumns * kWordBytes)
    memcpy(output + at, words, std::min(kWordBytes, row_bytes - at));
}

void Operations::embed(const Embedding& embedding, const int64_t* tokens, int count, uint8_t* output) {
  perform("embed", [=](AttentionPlan&) {
    check(tokens, count, embedding.num_rows);
    for (int i = 0; i < count; ++i)
      memcpy(output + i * embedding.row_bytes, embedding.table + tokens[i] * embedding.row_bytes, embedding.row_bytes);
  });
}

void Operations::embed_packed(const PackedEmbedding& embedding, const int64_t* tokens, int count, uint8_t* output) {
  perform("embed", [=](AttentionPlan&) {
    check(tokens, count, embedding.num_rows);
    each(pool(), count, count < kManyRows, [&](int i) { embedding.copy(tokens[i], output + i * embedding.row_bytes); });
  });
}

void Operations::norm(Number number, const Rows& x, const void* weight, float eps, void* output) {
  perform("norm", [=](AttentionPlan&) {
    by_rows(pool(), x, [&](int first, int end) { kernels_.norm(number, x, weight, eps, output, first, end); });
  });
}

void Operations::add_norm(
    Number number, const Rows& x, const Rows& y, const void* weight, float eps, void* stream, void* output) {
  perform("add_norm", [=](AttentionPlan&) {
    by_rows(pool(), x, [&](int first, int end) {
      kernels_.add_norm(number, x, y, weight, eps, stream, output, first, end);
    });
  });
}

void Operations::rotate(Number number, const Rows& x, const Rows& cosines, const Rows& sines, void* output) {
  perform("rotate", [=](AttentionPlan&) {
    by_rows(pool(), x, [&](int first, int end) { kernels_.rotate(number, x, cosines, sines, output, first, end); });
  });
}

void Operations::gate(Number number, const Rows& both, void* output) {
  perform("gate", [=](AttentionPlan&) {
    by_rows(pool(), both, [&](int first, int end) { kernels_.gate(number, both, output, first, end); });
  });
}

void Operations::experts(std::shared_ptr<const Experts> experts, const ExpertRows& rows) {
  perform("experts", [=](AttentionPlan&) { compute_experts(*experts, rows, engine_, kernels_); });
}

void Operations::likeliest(const Rows& scores, int64_t* tokens) {
  perform("likeliest", [=](AttentionPlan&) {
    by_rows(pool(), scores, [&](int first, int end) { kernels_.likeliest(scores, tokens, first, end); });
  });
}

void Operations::attend(const Attention& layer, int group, AttentionPlan& plan) {
  attend_now(layer, group, plan);
  if (program_ != nullptr)
    program_->add("attend", [=](AttentionPlan& other) { attend_now(layer, group, other); });
}

void Operations::attend_now(const Attention& layer, int group, AttentionPlan& plan) {
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
