// SPDX-License-Identifier: MIT
#include "daemon/host/build_facts.h"

#include <fmt/format.h>

#include <boost/version.hpp>

namespace tapring {

BuildFacts build_facts() {
#ifdef __clang__
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
  return {TAPRING_VERSION, compiler, TAPRING_LIBURING_VERSION,
          fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000,
                      BOOST_VERSION % 100)};
}

std::string version_line(const char* program) {
  const BuildFacts facts = build_facts();
  return fmt::format("{} {} ({}, liburing {}, Boost {})", program, facts.version, facts.compiler,
                     facts.liburing, facts.boost);
}

}  // namespace tapring
