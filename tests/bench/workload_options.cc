// SPDX-License-Identifier: MIT
#include "tests/bench/workload_options.h"

#include <map>
#include <string>

namespace tapring::bench {

void add_workload_options(CLI::App& app, Workload& workload) {
  using Operation = Workload::Operation;
  using Access = Workload::Access;
  const std::map<std::string, Operation> operations{
      {"read", Operation::read}, {"write", Operation::write}, {"mixed", Operation::mixed}};
  const std::map<std::string, Access> accesses{{"random", Access::random},
                                               {"sequential", Access::sequential}};
  app.add_option("--operation", workload.operation)->transform(CLI::Transformer(operations));
  app.add_option("--access", workload.access)->transform(CLI::Transformer(accesses));
  app.add_option("--block-bytes", workload.block_bytes)->check(CLI::Range(512, 1 << 20));
  app.add_option("--depth", workload.depth, "Requests at a time, of each queue")
      ->check(CLI::Range(1, 512));
}

}  // namespace tapring::bench
