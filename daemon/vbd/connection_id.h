// SPDX-License-Identifier: MIT
// Tells a guest's connection to its disk from all others: made when its rings are fresh, kept in
// xenstore, and the same for each tapringd that serves them.
#pragma once

#include <optional>
#include <string>

#include "ring/journal.h"

namespace tapring {

ConnectionId make_connection_id();

std::string to_text(const ConnectionId& id);

std::optional<ConnectionId> parse_connection_id(const std::string& text);

}  // namespace tapring
