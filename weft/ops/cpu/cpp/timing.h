// What linear layers take one after the other, without Python in between.
#pragma once
#include <vector>

#include "engine.h"

namespace weft {

// Seconds of each product.
std::vector<double> times_of(Engine& engine, const std::vector<Product>& products);

}  // namespace weft
