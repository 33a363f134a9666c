// A UTF-8 character whose bytes arrive one after another, because a token may end within it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sampling/code_points.h"

namespace llama_ets {

class TornCharacter {
 public:
  // Adds the next byte. If no bytes are missing, it begins a new character. Returns false if no
  // character begins with these bytes.
  bool Add(char next) {
    const auto byte = static_cast<uint8_t>(next);
    if (missing_ == 0) {
      length_ = byte < 0x80 ? 1 : byte < 0xc0 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
      if (length_ == 0) return false;
      value_ = length_ == 1 ? byte : byte & (0x7f >> length_);
      missing_ = length_ - 1;
      return byte < 0xf8 && low() <= high();
    }
    if ((byte & 0xc0) != 0x80) return false;
    value_ = value_ << 6 | (byte & 0x3f);
    --missing_;
    return low() <= high();
  }

  // The number of bytes until the character is complete.
  int missing() const { return missing_; }
  // The lowest and the highest code point that the character can still become. They are equal once
  // it is complete.
  uint32_t low() const {
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    return std::max(value_ << (6 * missing_), kLeast[length_]);
  }
  uint32_t high() const {
    const uint32_t last = value_ << (6 * missing_) | ((1u << (6 * missing_)) - 1);
    const bool is_surrogate = 0xd800 <= last && last <= 0xdfff;
    return is_surrogate ? 0xd7ff : std::min(last, kLastCodePoint);
  }

 private:
  uint32_t value_ = 0;
  int length_ = 1;
  int missing_ = 0;
};

}  // namespace llama_ets
