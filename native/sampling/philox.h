// Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3" (SC 2011). A draw is a pure function of (counter, key), so a token's
// random number does not depend on how rollouts are batched or scheduled.
//
// Reproduces Random123's published known-answer vectors (kat_vectors, philox4x32 10):
//   counter 00000000 x4, key 00000000 x2 -> 6627e8d5 e169c58d bc57ac4c 9b00dbd8
//   counter ffffffff x4, key ffffffff x2 -> 408f276d 41c83b0e a20bc7c6 6d5451fd
//   counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0
//                                        -> d16cfe09 94fdcceb 5001e420 24126ea1
#pragma once

#include <array>
#include <cstdint>

namespace llama_ets {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

inline PhiloxCounter Philox(PhiloxCounter counter, PhiloxKey key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9;  // golden ratio
  constexpr uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// Two independent doubles, uniform on [0, 1) with 53 random bits.
inline std::array<double, 2> PhiloxUniforms(const PhiloxCounter& counter, const PhiloxKey& key) {
  const PhiloxCounter bits = Philox(counter, key);
  const auto uniform = [](uint32_t high, uint32_t low) {
    const uint64_t word = (static_cast<uint64_t>(high) << 32) | low;
    return static_cast<double>(word >> 11) * 0x1p-53;
  };
  return {uniform(bits[0], bits[1]), uniform(bits[2], bits[3])};
}

inline double PhiloxUniform(const PhiloxCounter& counter, const PhiloxKey& key) {
  return PhiloxUniforms(counter, key)[0];
}

}  // namespace llama_ets
