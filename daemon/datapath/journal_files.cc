// SPDX-License-Identifier: MIT
#include "daemon/datapath/journal_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "ring/unique_fd.h"

namespace tapring {
namespace fs = std::filesystem;

JournalFiles::JournalFiles(const fs::path& run_dir) : directory_(run_dir / "journal") {
  fs::create_directories(directory_);
  fs::permissions(directory_, fs::perms::owner_all);
}

UniqueFd JournalFiles::open(const std::string& disk, uint32_t queue, std::size_t bytes) {
  const fs::path path = directory_ / fmt::format("{}.{}", disk, queue);
  const auto refuse = [&path, bytes](int error) {
    throw std::system_error(error, std::system_category(),
                            fmt::format("the journal {} of {} bytes (make room there, or set "
                                        "run_dir)", path.string(), bytes));
  };
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) refuse(errno);
  const auto length = static_cast<off_t>(bytes);
  if (::ftruncate(file.get(), length) != 0) refuse(errno);
  if (const int error = ::posix_fallocate(file.get(), 0, length); error != 0) refuse(error);
  return file;
}

void JournalFiles::remove(const std::string& disk) noexcept {
  const std::string prefix = disk + '.';
  std::error_code error;
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    const fs::path& path = entry->path();
    if (path.filename().string().starts_with(prefix)) fs::remove(path, ignored);
  }
}

std::set<std::string> JournalFiles::disks() const {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    names.insert(entry.path().stem().string());
  }
  return names;
}

}  // namespace tapring
