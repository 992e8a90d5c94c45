#include "lanes_avx2.h"
#include "steps_level.h"

const weft::StepKernels* weft::avx2_steps() { return &kSteps; }
