// SPDX-License-Identifier: MIT
// A qcow2 image of any bytes, described, checked and repaired; what is left wrong is what the next
// check finds.
#include <fuzzer/FuzzedDataProvider.h>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "formats/clusters/blocking_io.h"
#include "formats/image_file.h"
#include "formats/qcow2/offline/check.h"
#include "formats/qcow2/offline/description.h"
#include "tests/fuzz/memory_file.h"

namespace {

namespace qcow2 = tapring::qcow2;

void check_and_repair(const std::string& path, tapring::Repair repair) {
  tapring::ImageOptions options;
  options.path = path;
  tapring::OpenFile file =
      tapring::open_file(tapring::image_file(options, path, tapring::Caching::page_cache));
  fill_last_sector(file);
  tapring::CheckOptions limits;
  limits.max_bytes = uint64_t{16} << 20;
  qcow2::describe(file);
  qcow2::check_image(file, limits);
  qcow2::FileWriter writer(file);
  const tapring::ImageCheck left = qcow2::repair_image(file, repair, writer, limits);
  const tapring::ImageCheck again = qcow2::check_image(file, limits);
  assert(left.findings.corruptions() == again.findings.corruptions());
  assert(left.findings.leaks() == again.findings.leaks());
  assert(left.dirty == again.dirty && left.corrupt == again.corrupt);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto repair = input.ConsumeBool() ? tapring::Repair::all : tapring::Repair::leaks;
  const tapring::fuzz::MemoryFile file(input.ConsumeRemainingBytes<std::byte>());
  try {
    check_and_repair(file.path(), repair);
  } catch (const std::system_error& error) {
    assert(std::string_view(error.what()).contains(file.path()));
  }
  return 0;
}
