// SPDX-License-Identifier: MIT
// Reports of disks as the control socket carries them: members named as the fields are.
#pragma once

#include <boost/json/fwd.hpp>

#include "daemon/vbd/report.h"

namespace tapring {

boost::json::object to_json(const DiskReport& report);
boost::json::object to_json(const DiskCounters& counters);

/// Ignores unknown members and leaves missing ones at their defaults, as the two ends may be of
/// different versions. Throws std::system_error if a member has another type than its field.
DiskReport report_from_json(const boost::json::value& value);

}  // namespace tapring
