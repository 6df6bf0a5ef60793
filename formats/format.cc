// SPDX-License-Identifier: MIT
#include "formats/format.h"

#include <algorithm>
#include <array>
#include <string>

#include "formats/printable.h"
#include "formats/qcow/open_qcow.h"
#include "formats/qcow/qcow_description.h"
#include "formats/qcow/qcow_extents.h"
#include "formats/qcow2/offline/check.h"
#include "formats/qcow2/offline/create.h"
#include "formats/qcow2/offline/description.h"
#include "formats/qcow2/offline/extents.h"
#include "formats/qcow2/open_qcow2.h"
#include "formats/raw.h"

namespace tapring {
namespace {

constexpr std::array kFormats{
    Format{.name = "raw",
           .open = open_raw,
           .describe = describe_raw,
           .extents = read_raw_extents,
           .why_not = why_not_raw,
           .create = create_raw},
    Format{.name = "aio", .open = open_aio, .describe = describe_raw, .extents = read_raw_extents},
    Format{.name = "qcow",
           .open = open_qcow,
           .describe = qcow::describe,
           .extents = qcow::read_extents},
    Format{.name = "qcow2",
           .open = open_qcow2,
           .describe = qcow2::describe,
           .extents = qcow2::read_extents,
           .check = qcow2::check_image,
           .repair = qcow2::repair_image,
           .why_not = qcow2::why_not,
           .create = qcow2::create},
};

}  // namespace

std::span<const Format> all_formats() noexcept { return kFormats; }

const Format* find_format(std::string_view name) noexcept {
  const auto found = std::ranges::find(kFormats, name, &Format::name);
  return found == kFormats.end() ? nullptr : &*found;
}

std::string no_driver_for(std::string_view name) {
  std::string names;
  for (const Format& format : kFormats) {
    names += (names.empty() ? "" : ", ") + std::string(format.name);
  }
  constexpr std::size_t kMostQuoted = 64;
  return "there is no driver for the format " + escaped(name, kMostQuoted) + " (there are " +
         names + ")";
}

}  // namespace tapring
