// SPDX-License-Identifier: MIT
// What `tapring image check` does and says.
#pragma once

#include <boost/json/object.hpp>
#include <iosfwd>
#include <optional>
#include <string>

#include "formats/image_check.h"

namespace tapring {

struct CheckResult {
  std::string path;
  ImageCheck found;
  std::optional<ImageCheck> left;  ///< if something was repaired, or was to be
};

/// Checks an image, and repairs it if that is asked for and something is wrong. It is locked
/// meanwhile. Throws FileInUse and std::system_error, and std::runtime_error where there is nothing
/// to check. `progress`: where to show it, or nullptr.
CheckResult check_image(const std::string& path, const std::optional<Repair>& repair,
                        std::ostream* progress);

/// As qemu-img's: 0, 2 if something is corrupt, 3 if clusters are leaked.
int exit_code_of(const CheckResult& result);

boost::json::object to_json(const CheckResult& result);

void print(const CheckResult& result, std::ostream& out);

}  // namespace tapring
