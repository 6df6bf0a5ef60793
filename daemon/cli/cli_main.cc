// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "daemon/cli/cli.h"

int main(int argc, char** argv) {
  const std::vector<const char*> arguments(argv + std::min(argc, 1), argv + argc);
  // https://no-color.org
  const bool colours = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  std::ostream* terminal = ::isatty(STDERR_FILENO) == 1 ? &std::cerr : nullptr;
  return tapring::run_cli(arguments, {std::cout, std::cerr, colours, terminal});
}
