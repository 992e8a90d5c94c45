// Gated products of which each token goes to a few (arXiv 1701.06538, section 2), on a pool of threads.
//
// Who goes where is found out when a step is computed, so what is remembered of it fits any tokens.
#pragma once
#include <vector>

#include "engine.h"
#include "step_kernels.h"

namespace weft {

// Of each expert the gate and what it opens, one after the other, and the last product.
struct Experts {
  std::vector<Layer> gate_up, down;
  Choice choice;

  int hidden() const { return down[0].outputs; }
  int inner() const { return gate_up[0].outputs / 2; }
};

// Rows of tokens, and the router's scores of them. There is a row per token and expert of it of `both` (two parts of
// the inner size), `gated` and `made`, which hold what the experts come to on the way.
struct ExpertRows {
  Number number;
  Rows scores, tokens;
  void *both, *gated, *made, *output;
};

void compute_experts(const Experts& experts, const ExpertRows& rows, Engine& engine, const StepKernels& kernels);

}  // namespace weft
