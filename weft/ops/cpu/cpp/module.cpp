// weft.ops.cpu._kernels. Tensors come as addresses: Python checks shapes and types and keeps them alive, see engine.py.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "bind_operations.h"
#include "ceilings.h"
#include "dispatch.h"
#include "engine.h"
#include "timing.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

const void* at(uintptr_t address) { return reinterpret_cast<const void*>(address); }

weft::Layer make_layer(
    int format, uintptr_t blocks, size_t block_bytes, uintptr_t factors, uintptr_t bias, int outputs, int inputs,
    int group_inputs) {
  return {
      static_cast<weft::Format>(format), static_cast<const uint8_t*>(at(blocks)), block_bytes,
      static_cast<const float*>(at(factors)), static_cast<const float*>(at(bias)), outputs, inputs, group_inputs};
}

const weft::Kernels& known_level(const std::string& name) {
  const weft::Kernels* kernels = weft::level(name);
  if (kernels == nullptr) throw std::invalid_argument("this processor has no level " + name);
  return *kernels;
}

std::vector<std::string> level_names() {
  std::vector<std::string> names;
  for (const weft::Kernels* kernels : weft::levels()) names.emplace_back(kernels->name);
  return names;
}

weft::Product make_product(
    const weft::Layer& layer, uintptr_t input, int input_number, int rows, int width, uintptr_t output,
    int output_number, int output_width) {
  return {
      layer,
      {static_cast<weft::Number>(input_number), at(input), rows, width},
      {static_cast<weft::Number>(output_number), reinterpret_cast<void*>(output), output_width}};
}

void linear(
    weft::Engine& engine, const weft::Layer& layer, uintptr_t input, int input_number, int rows, int width,
    uintptr_t output, int output_number, int output_width) {
  engine.linear(make_product(layer, input, input_number, rows, width, output, output_number, output_width));
}

}  // namespace

NB_MODULE(_kernels, module) {
  nb::class_<weft::Layer>(module, "Layer")
      .def_static(
          "make", &make_layer, "format"_a, "blocks"_a, "block_bytes"_a, "factors"_a, "bias"_a, "outputs"_a, "inputs"_a,
          "group_inputs"_a);
  nb::class_<weft::Product>(module, "Product")
      .def_static(
          "make", &make_product, "layer"_a, "input"_a, "input_number"_a, "rows"_a, "width"_a, "output"_a,
          "output_number"_a, "output_width"_a);
  nb::class_<weft::Contention>(module, "Contention")
      .def(nb::init<>())
      .def("alone", &weft::Contention::alone, "now_ns"_a)
      .def("lost", &weft::Contention::lost, "now_ns"_a, "lost_ns"_a);
  const auto unlocked = nb::call_guard<nb::gil_scoped_release>();
  nb::class_<weft::Engine>(module, "Engine")
      .def(
          "__init__",
          [](weft::Engine* self, int num_threads, const std::string& level) {
            new (self) weft::Engine(num_threads, known_level(level));
          },
          "num_threads"_a, "level"_a)
      .def(
          "linear", &linear, "layer"_a, "input"_a, "input_number"_a, "rows"_a, "width"_a, "output"_a,
          "output_number"_a, "output_width"_a, unlocked)
      .def("times_of", &weft::times_of, "products"_a)
      .def("read_bandwidth", &weft::read_bandwidth, "size"_a, unlocked)
      .def("peak", &weft::peak, "kind"_a, "seconds"_a, unlocked);
  module.def("levels", &level_names);
  module.def("why_no_amx", &weft::why_no_amx);
  bind_operations(module);
}
