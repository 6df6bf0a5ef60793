// SPDX-License-Identifier: MIT
#include "daemon/xenstore/xenstore_update.h"

#include <fmt/format.h>

#include <cerrno>
#include <memory>
#include <system_error>

namespace tapring {
namespace {

// A transaction that conflicts with somebody else's is repeated, at most so often: a store where
// that is not enough does not work any more.
constexpr int kMaxAttempts = 1000;

bool holds(XenstoreTransaction& transaction, const std::string& directory,
           const XenstoreGuard& guard) {
  const auto found = transaction.read(fmt::format("{}/{}", directory, guard.key));
  return found && (!guard.value || *found == *guard.value);
}

}  // namespace

bool update(Xenstore& store, const std::string& directory, const XenstoreGuard& guard,
            const XenstoreKeys& keys) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const std::unique_ptr<XenstoreTransaction> transaction = store.begin();
    if (!holds(*transaction, directory, guard)) return false;
    for (const auto& [key, value] : keys) {
      transaction->write(fmt::format("{}/{}", directory, key), value);
    }
    if (transaction->commit() == XenstoreTransaction::Outcome::done) return true;
  }
  throw std::system_error(EAGAIN, std::system_category(), "xenstore: commit to " + directory);
}

}  // namespace tapring
