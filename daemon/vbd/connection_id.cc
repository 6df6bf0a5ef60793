// SPDX-License-Identifier: MIT
#include "daemon/vbd/connection_id.h"

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <bit>
#include <exception>

namespace tapring {

using boost::uuids::uuid;

ConnectionId make_connection_id() {
  return std::bit_cast<ConnectionId>(boost::uuids::random_generator()());
}

std::string to_text(const ConnectionId& id) { return to_string(std::bit_cast<uuid>(id)); }

std::optional<ConnectionId> parse_connection_id(const std::string& text) {
  try {
    return std::bit_cast<ConnectionId>(boost::uuids::string_generator()(text));
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace tapring
