// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/xenstore/xenstore.h"

namespace tapring {

/// A whole transaction in one message: what a worker has read, which is to be so still, and what it
/// writes then.
struct StoreCommit {
  std::map<std::string, std::optional<std::string>> read;
  std::map<std::string, std::string> written;

  std::vector<std::string> to_words() const;

  /// nullopt if these are not the words of one.
  static std::optional<StoreCommit> from_words(const std::vector<std::string>& words);

  /// Throws std::system_error like `store`.
  XenstoreTransaction::Outcome make(Xenstore& store) const;
};

}  // namespace tapring
