#include "timing.h"

#include <chrono>

namespace weft {

std::vector<double> times_of(Engine& engine, const std::vector<Product>& products) {
  std::vector<double> times;
  times.reserve(products.size());
  for (const Product& product : products) {
    const auto begun = std::chrono::steady_clock::now();
    engine.linear(product);
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  }
  return times;
}

}  // namespace weft
