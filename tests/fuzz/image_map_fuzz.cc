// SPDX-License-Identifier: MIT
// A qcow2 or qcow image of any bytes, mapped: what each part of its disk is, or why it is refused.
#include <fuzzer/FuzzedDataProvider.h>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "formats/image_file.h"
#include "formats/qcow/qcow_extents.h"
#include "formats/qcow2/offline/extents.h"
#include "tests/fuzz/memory_file.h"

namespace {

namespace qcow = tapring::qcow;
namespace qcow2 = tapring::qcow2;

constexpr int kMostExtents = 10'000;  // a disk may have more than anybody waits for

void map_disk(const std::string& path, bool version1) {
  tapring::ImageOptions options;
  options.path = path;
  options.read_only = true;
  tapring::OpenFile file =
      tapring::open_file(tapring::image_file(options, path, tapring::Caching::page_cache));
  const std::unique_ptr<tapring::ExtentReader> extents =
      version1 ? qcow::read_extents(std::move(file)) : qcow2::read_extents(std::move(file));
  const uint64_t size = extents->size_bytes();
  uint64_t at = 0;
  for (int i = 0; i < kMostExtents && at < size; ++i) {
    const tapring::Extent extent = extents->at(at, size - at);
    assert(extent.bytes > 0 && extent.bytes <= size - at);
    at += extent.bytes;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const bool version1 = input.ConsumeBool();
  const tapring::fuzz::MemoryFile file(input.ConsumeRemainingBytes<std::byte>());
  try {
    map_disk(file.path(), version1);
  } catch (const std::system_error& error) {
    assert(std::string_view(error.what()).contains(file.path()));
  }
  return 0;
}
