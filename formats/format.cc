// SPDX-License-Identifier: MIT
#include "formats/format.h"

#include <algorithm>
#include <array>

#include "formats/qcow/open_qcow.h"
#include "formats/qcow2/open_qcow2.h"
#include "formats/raw.h"

namespace tapring {
namespace {

constexpr std::array kFormats{
    Format{"raw", open_raw},
    Format{"aio", open_aio},
    Format{"qcow", open_qcow},
    Format{"qcow2", open_qcow2},
};

}  // namespace

std::span<const Format> all_formats() noexcept { return kFormats; }

const Format* find_format(std::string_view name) noexcept {
  const auto found = std::ranges::find(kFormats, name, &Format::name);
  return found == kFormats.end() ? nullptr : &*found;
}

}  // namespace tapring
