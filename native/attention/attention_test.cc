#include "attention/attention_test.h"

#include "attention/attention_build.h"

#ifndef LLAMA_ETS_NO_ATTENTION

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "attention/attention_node.h"
#include "attention/graph_attention.h"

namespace llama_ets {
namespace {

// The size of values differs from that of keys, and the number of cells doesn't fill the last tile.
constexpr AttentionNodeShape kShape{7, 4, 2, 64, 32, 300};

}  // namespace

std::string TestAttention(ggml_backend_dev_t own, ggml_backend_dev_t engines, float tolerance) {
  AttentionNode node(kShape);
  if (!KernelTakes(node.operation())) return "self-test failed: its operation is not taken";
  const std::vector<float> expected = node.Compute(engines, 1);
  const std::vector<float> found = node.Compute(own, 1);
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(found[i]) - expected[i]);
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  if (largest <= tolerance) return "";
  char text[64];
  std::snprintf(text, sizeof text, "self-test differs from the engine by %.2g", largest);
  return text;
}

}  // namespace llama_ets

#endif  // LLAMA_ETS_NO_ATTENTION
