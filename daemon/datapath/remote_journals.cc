// SPDX-License-Identifier: MIT
#include "daemon/datapath/remote_journals.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

namespace tapring {

UniqueFd RemoteJournals::open(const std::string& disk, uint32_t queue, std::size_t bytes) {
  Message result = control_.call_about_disk(
      Verb::journal_open, {disk, std::to_string(queue), std::to_string(bytes)});
  if (result.descriptors.size() == 1) return std::move(result.descriptors.front());
  throw std::system_error(EPROTO, std::system_category(), "the journal of " + disk);
}

void RemoteJournals::remove(const std::string& disk) noexcept try {
  control_.call(Verb::journal_remove, {disk}, {});
} catch (const std::exception& error) {
  spdlog::debug("{}: its journal: {}", disk, error.what());
}

std::set<std::string> RemoteJournals::disks() const {
  const Message result = control_.call(Verb::journal_list, {}, {});
  return {result.words.begin(), result.words.end()};
}

}  // namespace tapring
