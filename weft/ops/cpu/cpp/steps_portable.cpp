#include "lanes_portable.h"
#include "steps_level.h"

const weft::StepKernels* weft::portable_steps() { return &kSteps; }
