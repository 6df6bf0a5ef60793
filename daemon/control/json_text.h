// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

namespace tapring {

/// `value` as JSON on one line, without the line's end: all JSON that leaves this program goes
/// through here. It is valid UTF-8 whatever bytes the strings in it hold, as each is printable().
std::string json_text(boost::json::value value);

}  // namespace tapring
