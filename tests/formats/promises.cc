// SPDX-License-Identifier: MIT
#include "tests/formats/promises.h"

namespace tapring {
namespace {

constexpr uint64_t kSector = 512;

}  // namespace

Promises::Promises(const std::string& content) : allowed_(content.size() / kSector) {
  promise(0, content);
}

void Promises::begin_write(uint64_t offset, const std::string& data) {
  for (uint64_t at = 0; at < data.size(); at += kSector) {
    allowed_[(offset + at) / kSector].insert(data.substr(at, kSector));
  }
}

void Promises::promise(uint64_t offset, const std::string& data) {
  for (uint64_t at = 0; at + kSector <= data.size(); at += kSector) {
    allowed_[(offset + at) / kSector] = {data.substr(at, kSector)};
  }
}

std::string Promises::broken_by(const std::string& content) const {
  if (content.size() / kSector != allowed_.size()) return "it has another size";
  for (std::size_t i = 0; i < allowed_.size(); ++i) {
    if (allowed_[i].contains(content.substr(i * kSector, kSector))) continue;
    return "sector " + std::to_string(i) + " has what it never had, or no more";
  }
  return {};
}

}  // namespace tapring
