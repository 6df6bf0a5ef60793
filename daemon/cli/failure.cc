// SPDX-License-Identifier: MIT
#include "daemon/cli/failure.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <boost/json.hpp>

#include "daemon/control/json_text.h"
#include "formats/printable.h"

namespace tapring {

void print_problem(std::ostream& err, std::string_view problem) {
  fmt::print(err, "tapring: {}\n", printable(problem));
}

void print_failure(const Streams& streams, bool json, std::string_view reason) {
  if (json) streams.out << json_text({{"ok", false}, {"error", reason}}) << "\n";
  print_problem(streams.err, reason);
}

}  // namespace tapring
