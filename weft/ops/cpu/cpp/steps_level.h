// Makes a table of functions out of a level's `Lanes`. Included last by the file of a level.
#pragma once
#include "attention_tile.h"
#include "step_choice.h"
#include "step_experts.h"
#include "step_rows.h"

namespace weft {
namespace {

const StepKernels kSteps = {
    Lanes::kName, scratch_floats, partial_floats, keep, attend, merge, norm, add_norm, rotate, gate,
    route, weigh, likeliest};

}  // namespace
}  // namespace weft
