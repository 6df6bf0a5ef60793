// SPDX-License-Identifier: MIT
// So many requests through the data path, and nothing else: for a profiler to watch.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <string>

#include "tests/bench/tapring.h"

int main(int argc, char** argv) {
  using namespace tapring::bench;
  std::string path;
  std::string format = "aio";
  Workload workload;
  bool writes = false;
  uint64_t requests = 1000;
  CLI::App app("Serves so many requests of one kind, and ends.");
  app.add_option("--file", path, "The image, which must be there")->required();
  app.add_option("--format", format, "aio or raw")->check(CLI::IsMember({"aio", "raw"}));
  app.add_flag("--writes", writes, "Instead of reads");
  app.add_option("--block-bytes", workload.block_bytes);
  app.add_option("--depth", workload.depth);
  app.add_option("--requests", requests);
  CLI11_PARSE(app, argc, argv);
  if (writes) workload.operation = Workload::Operation::write;
  try {
    Tapring tapring(path, format, workload);
    tapring.serve_while([&] { return tapring.answered() < requests; });
    fmt::print("{}\n", tapring.answered());
    tapring.end();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
