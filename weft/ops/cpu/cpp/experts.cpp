#include "experts.h"

#include "work.h"

namespace weft {
namespace {

// Scores for whose ranking other threads are not woken.
constexpr int64_t kFewScores = 1 << 11;

size_t bytes_of(Number number) { return number == Number::float32 ? sizeof(float) : sizeof(uint16_t); }

// Rows of one expert.
struct Group {
  int expert, first, count;
};

// Where tokens go: of each its experts and their weights, and its row with each; the token of each row.
struct Routes {
  Routes(int num_tokens, int num_chosen)
      : experts(static_cast<size_t>(num_tokens) * num_chosen), places(experts.size()), tokens(experts.size()),
        weights(experts.size()) {}

  // Rows of one expert side by side, by token within it.
  void group(int num_experts, int num_chosen) {
    std::vector<int> firsts(num_experts + 1);
    for (const int32_t expert : experts) ++firsts[expert + 1];
    for (int expert = 0; expert < num_experts; ++expert) {
      if (firsts[expert + 1] > 0) groups.push_back({expert, firsts[expert], firsts[expert + 1]});
      firsts[expert + 1] += firsts[expert];
    }
    for (size_t i = 0; i < experts.size(); ++i) {
      places[i] = firsts[experts[i]]++;
      tokens[places[i]] = static_cast<int32_t>(i / num_chosen);
    }
  }

  std::vector<int32_t> experts, places, tokens;
  std::vector<float> weights;
  std::vector<Group> groups;
};

// A product per expert that has rows.
class Products {
 public:
  Products(const std::vector<Layer>& layers, const std::vector<Group>& groups, Number number)
      : layers_(layers), groups_(groups), number_(number) {}

  // Of rows wherever they are, and of rows in the order of the groups.
  void of_tokens(const Rows& tokens, const int32_t* indexes, void* output, Engine& engine) const {
    compute(engine, output, [&](const Group& group) {
      return Input{number_, tokens.values, group.count, tokens.width, indexes + group.first};
    });
  }
  void of_rows(const void* values, int width, void* output, Engine& engine) const {
    compute(engine, output, [&](const Group& group) {
      return Input{number_, static_cast<const uint8_t*>(values) + bytes(group.first, width), group.count, width};
    });
  }

 private:
  size_t bytes(int rows, int width) const { return static_cast<size_t>(rows) * width * bytes_of(number_); }

  template <class InputOf>
  void compute(Engine& engine, void* output, const InputOf& input_of) const {
    std::vector<Product> products;
    products.reserve(groups_.size());
    for (const Group& group : groups_) {
      const Layer& layer = layers_[group.expert];
      uint8_t* at = static_cast<uint8_t*>(output) + bytes(group.first, layer.outputs);
      products.push_back({layer, input_of(group), {number_, at, layer.outputs}});
    }
    engine.linears(products.data(), products.size());
  }

  const std::vector<Layer>& layers_;
  const std::vector<Group>& groups_;
  const Number number_;
};

}  // namespace

void compute_experts(const Experts& experts, const ExpertRows& rows, Engine& engine, const StepKernels& kernels) {
  const int num_tokens = rows.tokens.count, num_chosen = experts.choice.num_chosen;
  const int num_rows = num_tokens * num_chosen, inner = experts.inner(), hidden = experts.hidden();
  Pool& pool = engine.pool();
  Routes routes(num_tokens, num_chosen);
  each(pool, num_tokens, static_cast<int64_t>(num_tokens) * rows.scores.width < kFewScores, [&](int token) {
    kernels.route(
        rows.number, rows.scores, experts.choice, routes.experts.data(), routes.weights.data(), token, token + 1);
  });
  routes.group(rows.scores.width, num_chosen);
  Products(experts.gate_up, routes.groups, rows.number)
      .of_tokens(rows.tokens, routes.tokens.data(), rows.both, engine);
  const Rows both{rows.both, 2 * inner, num_rows, 2, inner};
  by_rows(pool, both, [&](int first, int end) { kernels.gate(rows.number, both, rows.gated, first, end); });
  Products(experts.down, routes.groups, rows.number).of_rows(rows.gated, inner, rows.made, engine);
  const Weighing weighing{rows.made, hidden, num_chosen, routes.places.data(), routes.weights.data()};
  const Rows sums{rows.made, hidden, num_tokens, num_chosen, hidden};
  by_rows(pool, sums, [&](int first, int end) { kernels.weigh(rows.number, weighing, rows.output, first, end); });
}

}  // namespace weft
