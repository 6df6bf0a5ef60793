// SPDX-License-Identifier: MIT
#include "daemon/vbd/disk_records.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <system_error>

#include "daemon/datapath/negotiation.h"
#include "daemon/host/decimal.h"

namespace tapring {

void DiskRecords::drop(const IsOf& is_stale) {
  for (const std::string& disk : journals_.disks()) {
    if (is_stale(disk)) journals_.remove(disk);
  }
  for (const std::string& disk : witnesses_.disks()) {
    if (!is_stale(disk)) continue;
    background_.run("witnesses", [closed = witnesses_.remove(disk)]() mutable { closed.clear(); });
  }
}

UniqueFd DiskRecords::open_journal(const std::vector<std::string>& words) {
  const auto refuse = [] {
    throw std::system_error(EINVAL, std::system_category(), "a worker's words");
  };
  if (words.size() != 3) refuse();
  const auto queue = parse_decimal<uint32_t>(words[1]);
  const auto bytes = parse_decimal<std::size_t>(words[2]);
  if (!queue || *queue >= kMaxQueuesOfDisk || !bytes || *bytes > max_journal_bytes()) refuse();
  return journals_.open(words[0], *queue, *bytes);
}

std::vector<std::string> DiskRecords::disks_with_journals(const IsOf& is_own) const {
  std::vector<std::string> own;
  std::ranges::copy_if(journals_.disks(), std::back_inserter(own), is_own);
  return own;
}

std::vector<std::string> DiskRecords::disks_with_witnesses(const IsOf& is_own) const {
  std::vector<std::string> own;
  std::ranges::copy_if(witnesses_.disks(), std::back_inserter(own), is_own);
  return own;
}

}  // namespace tapring
