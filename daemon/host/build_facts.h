// SPDX-License-Identifier: MIT
// What this program was built from, for --version and for whoever reads a bug report.
#pragma once

#include <string>

namespace tapring {

struct BuildFacts {
  std::string version;
  std::string compiler;
  std::string liburing;
  std::string boost;
};

BuildFacts build_facts();

/// "PROGRAM 0.1.0 (g++ 12.2.0, liburing 2.3, Boost 1.81.0)"
std::string version_line(const char* program);

}  // namespace tapring
