// The operations of a step, for module.cpp.
#pragma once
#include <nanobind/nanobind.h>

void bind_operations(nanobind::module_& module);
