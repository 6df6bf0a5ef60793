// SPDX-License-Identifier: MIT
#include "daemon/cli/failure.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <boost/json.hpp>
#include <system_error>

#include "daemon/control/json_text.h"
#include "formats/printable.h"

namespace tapring {

std::string reason_of(const std::exception& error) {
  std::string text = error.what();
  const auto* coded = dynamic_cast<const std::system_error*>(&error);
  if (coded == nullptr || coded->code() != std::errc::invalid_argument) return text;
  const std::string code = ": " + coded->code().message();
  if (text.ends_with(code)) text.resize(text.size() - code.size());
  return text;
}

void print_problem(std::ostream& err, std::string_view problem) {
  fmt::print(err, "tapring: {}\n", printable(problem));
}

void print_failure(const Streams& streams, bool json, std::string_view reason) {
  if (json) streams.out << json_text({{"ok", false}, {"error", reason}}) << "\n";
  print_problem(streams.err, reason);
}

}  // namespace tapring
