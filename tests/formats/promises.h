// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace tapring {

/// What each sector of a disk may hold after a cut.
class Promises {
 public:
  explicit Promises(const std::string& content);

  /// From now on it may hold this too.
  void begin_write(uint64_t offset, const std::string& data);

  /// From now on it holds this, come what may.
  void promise(uint64_t offset, const std::string& data);

  /// What is wrong with `content`; empty if nothing is.
  std::string broken_by(const std::string& content) const;

 private:
  std::vector<std::set<std::string>> allowed_;
};

}  // namespace tapring
