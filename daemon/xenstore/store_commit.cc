// SPDX-License-Identifier: MIT
#include "daemon/xenstore/store_commit.h"

#include <memory>

namespace tapring {
namespace {

// What comes before each entry of the words.
constexpr const char* kValue = "value";  // a path, and the value that was read
constexpr const char* kNone = "none";    // a path, and a word that means nothing
constexpr const char* kWrite = "write";  // a path, and what it is to be

}  // namespace

std::vector<std::string> StoreCommit::to_words() const {
  std::vector<std::string> words;
  const auto add = [&words](const char* what, const std::string& path, const std::string& value) {
    words.insert(words.end(), {what, path, value});
  };
  for (const auto& [path, value] : read) add(value ? kValue : kNone, path, value.value_or(""));
  for (const auto& [path, value] : written) add(kWrite, path, value);
  return words;
}

std::optional<StoreCommit> StoreCommit::from_words(const std::vector<std::string>& words) {
  if (words.size() % 3 != 0) return std::nullopt;
  StoreCommit commit;
  for (std::size_t i = 0; i < words.size(); i += 3) {
    const std::string& path = words[i + 1];
    const std::string& value = words[i + 2];
    if (words[i] == kValue) {
      commit.read[path] = value;
    } else if (words[i] == kNone) {
      commit.read[path] = std::nullopt;
    } else if (words[i] == kWrite) {
      commit.written[path] = value;
    } else {
      return std::nullopt;
    }
  }
  return commit;
}

XenstoreTransaction::Outcome StoreCommit::make(Xenstore& store) const {
  const std::unique_ptr<XenstoreTransaction> transaction = store.begin();
  for (const auto& [path, value] : read) {
    if (transaction->read(path) != value) return XenstoreTransaction::Outcome::conflict;
  }
  for (const auto& [path, value] : written) transaction->write(path, value);
  return transaction->commit();
}

}  // namespace tapring
