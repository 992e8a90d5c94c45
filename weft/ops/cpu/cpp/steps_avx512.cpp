#include "lanes_avx512.h"
#include "steps_level.h"

const weft::StepKernels* weft::avx512_steps() { return &kSteps; }
