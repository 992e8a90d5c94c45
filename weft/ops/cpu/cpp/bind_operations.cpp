#include "bind_operations.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "operations.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Address = uintptr_t;
using weft::Number;

const void* at(Address address) { return reinterpret_cast<const void*>(address); }
void* to(Address address) { return reinterpret_cast<void*>(address); }
uint8_t* bytes(Address address) { return reinterpret_cast<uint8_t*>(address); }
Number number(int value) { return static_cast<Number>(value); }

void linear(
    weft::Operations& self, const weft::Layer& layer, Address input, int kind, int rows, int width, Address output,
    int output_kind) {
  self.linear(layer, {number(kind), at(input), rows, width}, {number(output_kind), to(output), layer.outputs});
}

void embed(
    weft::Operations& self, Address table, size_t row_bytes, int64_t num_rows, Address tokens, int count, Address output) {
  self.embed({bytes(table), row_bytes, num_rows}, static_cast<const int64_t*>(at(tokens)), count, bytes(output));
}

void embed_packed(
    weft::Operations& self, Address blocks, size_t block_bytes, size_t row_bytes, int64_t num_rows, Address tokens,
    int count, Address output) {
  self.embed_packed(
      {bytes(blocks), block_bytes, row_bytes, num_rows}, static_cast<const int64_t*>(at(tokens)), count, bytes(output));
}

void norm(weft::Operations& self, int kind, const weft::Rows& x, Address weight, float eps, Address output) {
  self.norm(number(kind), x, at(weight), eps, to(output));
}

void add_norm(
    weft::Operations& self, int kind, const weft::Rows& x, const weft::Rows& y, Address weight, float eps,
    Address stream, Address output) {
  self.add_norm(number(kind), x, y, at(weight), eps, to(stream), to(output));
}

void rotate(
    weft::Operations& self, int kind, const weft::Rows& x, const weft::Rows& cosines, const weft::Rows& sines,
    Address output) {
  self.rotate(number(kind), x, cosines, sines, to(output));
}

void gate(weft::Operations& self, int kind, const weft::Rows& both, Address output) {
  self.gate(number(kind), both, to(output));
}

std::shared_ptr<weft::Experts> make_experts(
    std::vector<weft::Layer> gate_up, std::vector<weft::Layer> down, int num_chosen, bool sums_to_one) {
  return std::make_shared<weft::Experts>(
      weft::Experts{std::move(gate_up), std::move(down), {num_chosen, sums_to_one}});
}

void experts(
    weft::Operations& self, std::shared_ptr<weft::Experts> experts, int kind, const weft::Rows& scores,
    const weft::Rows& tokens, Address both, Address gated, Address made, Address output) {
  self.experts(std::move(experts), {number(kind), scores, tokens, to(both), to(gated), to(made), to(output)});
}

void likeliest(weft::Operations& self, const weft::Rows& scores, Address tokens) {
  self.likeliest(scores, static_cast<int64_t*>(to(tokens)));
}

weft::Cache make_cache(int format, Address keys, Address values, int heads, int head_dim, int head_bytes) {
  return {static_cast<weft::CacheFormat>(format), bytes(keys), bytes(values), heads, head_dim, head_bytes};
}

void attend(
    weft::Operations& self, int kind, const weft::Rows& queries, const weft::Rows& keys, const weft::Rows& values,
    Address output, const weft::Cache& cache, float scale, int group, weft::AttentionPlan& plan) {
  self.attend({number(kind), queries, keys, values, to(output), cache, scale}, group, plan);
}

void make_plan(weft::AttentionPlan* self, const std::vector<std::tuple<int, int, int>>& spans, int block_tokens) {
  std::vector<weft::Span> made;
  made.reserve(spans.size());
  for (const auto& [first, start, count] : spans) made.push_back({first, start, count});
  new (self) weft::AttentionPlan(std::move(made), block_tokens);
}

void add_group(weft::AttentionPlan& self, Address tables, int width, int64_t num_blocks, int window) {
  self.add_group(static_cast<const int64_t*>(at(tables)), width, num_blocks, window);
}

void run(
    const weft::Program& self, Address tokens, Address positions, int rows, weft::AttentionPlan& plan,
    size_t num_parts) {
  self.run(static_cast<const int64_t*>(at(tokens)), static_cast<const int64_t*>(at(positions)), rows, plan, num_parts);
}

void bind_data(nb::module_& module) {
  nb::class_<weft::Rows>(module, "Rows")
      .def(
          "__init__",
          [](weft::Rows* self, Address values, int64_t stride, int count, int parts, int width) {
            new (self) weft::Rows{at(values), stride, count, parts, width};
          },
          "values"_a, "stride"_a, "count"_a, "parts"_a, "width"_a);
  nb::class_<weft::Experts>(module, "Experts")
      .def_static("make", &make_experts, "gate_up"_a, "down"_a, "num_chosen"_a, "sums_to_one"_a);
  nb::class_<weft::Cache>(module, "Cache")
      .def_static(
          "make", &make_cache, "format"_a, "keys"_a, "values"_a, "heads"_a, "head_dim"_a, "head_bytes"_a);
  nb::class_<weft::AttentionPlan>(module, "AttentionPlan")
      .def("__init__", &make_plan, "spans"_a, "block_tokens"_a)
      .def("add_group", &add_group, "tables"_a, "width"_a, "num_blocks"_a, "window"_a);
}

}  // namespace

void bind_operations(nb::module_& module) {
  bind_data(module);
  const auto unlocked = nb::call_guard<nb::gil_scoped_release>();
  nb::class_<weft::Program>(module, "Program")
      .def(
          "__init__",
          [](weft::Program* self, Address tokens, Address positions, int most_rows) {
            new (self)
                weft::Program(static_cast<int64_t*>(to(tokens)), static_cast<int64_t*>(to(positions)), most_rows);
          },
          "tokens"_a, "positions"_a, "most_rows"_a)
      .def("__len__", &weft::Program::size)
      .def_prop_ro("by_rows", &weft::Program::by_rows)
      .def("expect", &weft::Program::expect, "rows"_a)
      .def("cut", &weft::Program::cut, "num_parts"_a)
      .def("run", &run, "tokens"_a, "positions"_a, "rows"_a, "plan"_a, "num_parts"_a, unlocked)
      .def("profile", &weft::Program::profile, "plan"_a, unlocked);
  nb::class_<weft::Operations>(module, "Operations")
      .def(
          "__init__",
          [](weft::Operations* self, weft::Engine& engine) {
            new (self) weft::Operations(engine, weft::steps_of(engine.kernels()));
          },
          nb::keep_alive<1, 2>(), "engine"_a)
      .def("record", &weft::Operations::record, "program"_a.none())
      .def(
          "linear", &linear, "layer"_a, "input"_a, "number"_a, "rows"_a, "width"_a, "output"_a, "output_number"_a,
          unlocked)
      .def(
          "embed", &embed, "table"_a, "row_bytes"_a, "num_rows"_a, "tokens"_a, "count"_a, "output"_a, unlocked)
      .def(
          "embed_packed", &embed_packed, "blocks"_a, "block_bytes"_a, "row_bytes"_a, "num_rows"_a, "tokens"_a, "count"_a,
          "output"_a, unlocked)
      .def("norm", &norm, "number"_a, "x"_a, "weight"_a, "eps"_a, "output"_a, unlocked)
      .def("add_norm", &add_norm, "number"_a, "x"_a, "y"_a, "weight"_a, "eps"_a, "stream"_a, "output"_a, unlocked)
      .def("rotate", &rotate, "number"_a, "x"_a, "cosines"_a, "sines"_a, "output"_a, unlocked)
      .def("gate", &gate, "number"_a, "both"_a, "output"_a, unlocked)
      .def(
          "experts", &experts, "experts"_a, "number"_a, "scores"_a, "tokens"_a, "both"_a, "gated"_a, "made"_a,
          "output"_a, unlocked)
      .def("likeliest", &likeliest, "scores"_a, "tokens"_a, unlocked)
      .def(
          "attend", &attend, "number"_a, "queries"_a, "keys"_a, "values"_a, "output"_a, "cache"_a, "scale"_a,
          "group"_a, "plan"_a, unlocked);
}
