// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tapring {

/// What is wrong with an image: how many faults, and the first of them in words.
class Findings {
 public:
  static constexpr std::size_t kMostTexts = 100;

  template <std::invocable Text>
  void corruption(Text text) {
    ++corruptions_;
    say("corruption: ", text);
  }
  template <std::invocable Text>
  void leak(Text text) {
    ++leaks_;
    say("leak: ", text);
  }

  /// A corruption: a table that could not be followed, so that what it refers to is unknown.
  template <std::invocable Text>
  void lost_table(Text text) {
    tables_lost_ = true;
    corruption(text);
  }

  uint64_t corruptions() const noexcept { return corruptions_; }
  uint64_t leaks() const noexcept { return leaks_; }  ///< clusters
  bool tables_lost() const noexcept { return tables_lost_; }
  const std::vector<std::string>& texts() const noexcept { return texts_; }

 private:
  template <std::invocable Text>
  void say(const char* kind, Text text) {
    if (texts_.size() < kMostTexts) texts_.push_back(kind + std::string(text()));
  }

  uint64_t corruptions_ = 0;
  uint64_t leaks_ = 0;
  bool tables_lost_ = false;
  std::vector<std::string> texts_;
};

}  // namespace tapring
