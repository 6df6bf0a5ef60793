// SPDX-License-Identifier: MIT
#include "tests/formats/hostile_image.h"

#include <fstream>
#include <system_error>

#include "formats/format.h"

namespace tapring {

ImageOptions read_only(const std::filesystem::path& path) {
  ImageOptions options;
  options.path = path;
  options.read_only = true;
  return options;
}

std::string refusal(const ImageOptions& options) {
  try {
    find_format("qcow2")->open(options);
  } catch (const std::system_error& error) {
    return error.what();
  }
  return {};
}

std::filesystem::path HostileImage::create(const std::string& name, const std::string& options) {
  const std::filesystem::path path = directory_.path() / name;
  run_command("qemu-img create -q -f qcow2 " + options + ' ' + shell_quoted(path.string()) + " 4M");
  return path;
}

void HostileImage::patch(const std::filesystem::path& path, uint64_t offset,
                         const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

}  // namespace tapring
