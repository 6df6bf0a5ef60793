// SPDX-License-Identifier: MIT
// What `tapring image check` does and says.
#pragma once

#include <boost/json/object.hpp>
#include <iosfwd>
#include <optional>
#include <string>

#include "formats/qcow2/offline/check.h"

namespace tapring {

struct ImageCheckup {
  std::string path;
  qcow2::ImageCheck found;
  std::optional<qcow2::ImageCheck> left;  ///< if something was mended, or was to be
};

/// Checks a qcow2 image, and mends it if that is asked for and there is something. It is locked
/// meanwhile. Throws FileInUse and std::system_error. `progress`: where to show it, or nullptr.
ImageCheckup check_up(const std::string& path, const std::optional<qcow2::Repair>& repair,
                      std::ostream* progress);

/// As qemu-img's: 0, 2 if something is corrupt, 3 if clusters are leaked.
int exit_code_of(const ImageCheckup& checkup);

boost::json::object to_json(const ImageCheckup& checkup);

void print(const ImageCheckup& checkup, std::ostream& out);

}  // namespace tapring
