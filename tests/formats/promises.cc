// SPDX-License-Identifier: MIT
#include "tests/formats/promises.h"

#include "ring/sizes.h"

namespace tapring {
namespace {


}  // namespace

Promises::Promises(const std::string& content) : allowed_(content.size() / kSectorBytes) {
  promise(0, content);
}

void Promises::begin_write(uint64_t offset, const std::string& data) {
  for (uint64_t at = 0; at < data.size(); at += kSectorBytes) {
    allowed_[(offset + at) / kSectorBytes].insert(data.substr(at, kSectorBytes));
  }
}

void Promises::promise(uint64_t offset, const std::string& data) {
  for (uint64_t at = 0; at + kSectorBytes <= data.size(); at += kSectorBytes) {
    allowed_[(offset + at) / kSectorBytes] = {data.substr(at, kSectorBytes)};
  }
}

std::string Promises::broken_by(const std::string& content) const {
  if (content.size() / kSectorBytes != allowed_.size()) return "it has another size";
  for (std::size_t i = 0; i < allowed_.size(); ++i) {
    if (allowed_[i].contains(content.substr(i * kSectorBytes, kSectorBytes))) continue;
    return "sector " + std::to_string(i) + " has what it never had, or no more";
  }
  return {};
}

}  // namespace tapring
