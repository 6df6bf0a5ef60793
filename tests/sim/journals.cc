// SPDX-License-Identifier: MIT
#include "tests/sim/journals.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace tapring::sim {
namespace {

UniqueFd make_file() {
  UniqueFd file(::memfd_create("journal", MFD_CLOEXEC));
  if (!file) throw std::system_error(errno, std::system_category(), "a journal");
  return file;
}

void resize(const UniqueFd& file, std::size_t bytes) {
  if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
    throw std::system_error(errno, std::system_category(), "a journal");
  }
}

}  // namespace

UniqueFd SimJournals::open(const std::string& disk, uint32_t queue, std::size_t bytes) {
  UniqueFd& file = files_[{disk, queue}];
  if (!file) file = make_file();
  resize(file, bytes);
  return UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
}

void SimJournals::remove(const std::string& disk) noexcept {
  std::erase_if(files_, [&disk](const auto& entry) { return entry.first.first == disk; });
}

std::set<std::string> SimJournals::disks() const {
  std::set<std::string> names;
  for (const auto& [name, file] : files_) names.insert(name.first);
  return names;
}

void SimJournals::take_from_all() {
  for (auto& [name, file] : files_) file = copy(file);
}

void SimJournals::take_from(uint64_t process) {
  for (auto& [name, file] : files_) {
    const auto opener = openers_.find(name);
    if (opener != openers_.end() && opener->second == process) file = copy(file);
  }
}

UniqueFd SimJournals::copy(const UniqueFd& file) {
  struct stat status {};
  ::fstat(file.get(), &status);
  UniqueFd copy = make_file();
  off_t from = 0;
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (::sendfile(copy.get(), file.get(), &from, bytes) != status.st_size) {
    throw std::system_error(errno, std::system_category(), "copying a journal");
  }
  return copy;
}

void SimJournals::at_store(uint64_t number, Work work) {
  stores_left_ = number;
  at_store_ = std::move(work);
}

void SimJournals::stored() {
  if (!at_store_ || stores_left_-- > 0) return;
  std::exchange(at_store_, nullptr)();
}

UniqueFd SimJournalStore::open(const std::string& disk, uint32_t queue, std::size_t bytes) {
  if (!dead_) return journals_.open(disk, queue, bytes);
  UniqueFd file = make_file();
  resize(file, bytes);
  return file;
}

void SimJournalStore::remove(const std::string& disk) noexcept {
  if (!dead_) journals_.remove(disk);
}

}  // namespace tapring::sim
