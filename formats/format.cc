// SPDX-License-Identifier: MIT
#include "formats/format.h"

#include <algorithm>
#include <array>

#include "formats/qcow/open_qcow.h"
#include "formats/qcow/qcow_description.h"
#include "formats/qcow/qcow_extents.h"
#include "formats/qcow2/offline/description.h"
#include "formats/qcow2/offline/extents.h"
#include "formats/qcow2/open_qcow2.h"
#include "formats/raw.h"

namespace tapring {
namespace {

constexpr std::array kFormats{
    Format{"raw", open_raw, describe_raw, read_raw_extents},
    Format{"aio", open_aio, describe_raw, read_raw_extents},
    Format{"qcow", open_qcow, qcow::describe, qcow::read_extents},
    Format{"qcow2", open_qcow2, qcow2::describe, qcow2::read_extents},
};

}  // namespace

std::span<const Format> all_formats() noexcept { return kFormats; }

const Format* find_format(std::string_view name) noexcept {
  const auto found = std::ranges::find(kFormats, name, &Format::name);
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace tapring
