// SPDX-License-Identifier: MIT
#include "tests/bench/image_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

#include "ring/unique_fd.h"
#include "tests/bench/workload.h"

namespace tapring::bench {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw std::system_error(errno, std::system_category(), "writing " + path.string());
}

void write_through(const std::filesystem::path& path, uint32_t mebibytes) {
  const std::vector<std::byte> content(std::size_t{1} << 20, kContent);
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) fail(path);
  for (uint32_t i = 0; i < mebibytes; ++i) {
    const ssize_t written = ::write(file.get(), content.data(), content.size());
    if (written != static_cast<ssize_t>(content.size())) fail(path);
  }
  if (::fsync(file.get()) != 0) fail(path);
}

}  // namespace

std::filesystem::path image_file(const std::filesystem::path& directory, uint32_t number,
                                 uint32_t mebibytes) {
  const auto path = directory / ("bench-" + std::to_string(number) + ".img");
  std::error_code absent;
  const uint64_t size = std::filesystem::file_size(path, absent);
  if (absent || size != uint64_t{mebibytes} << 20) write_through(path, mebibytes);
  return path;
}

}  // namespace tapring::bench
