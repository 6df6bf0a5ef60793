// SPDX-License-Identifier: MIT
#include "tests/bench/native.h"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <stdexcept>

namespace tapring::bench {
namespace {

std::string output_of(const std::string& command) {
  struct Close {
    void operator()(std::FILE* pipe) const noexcept { ::pclose(pipe); }
  };
  const std::unique_ptr<std::FILE, Close> pipe(::popen(command.c_str(), "r"));
  if (!pipe) throw std::runtime_error("cannot run: " + command);
  std::string output;
  std::array<char, 4096> part;
  for (std::size_t n; (n = std::fread(part.data(), 1, part.size(), pipe.get())) > 0;) {
    output.append(part.data(), n);
  }
  return output;
}

}  // namespace

Figures run_fio(const std::string& path, const Workload& workload, uint32_t seconds) {
  const std::string command = fmt::format(
      "fio --name=native --filename={} --ioengine=io_uring --direct=1 --thread --iodepth={} "
      "--rw={} --bs={} --time_based --runtime={} --output-format=json",
      path, workload.depth, workload.writes ? "randwrite" : "randread", workload.block_bytes,
      seconds);
  const std::string output = output_of(command);
  const std::size_t start = output.find('{');
  if (start == std::string::npos) throw std::runtime_error("fio failed: " + command);
  const boost::json::value result = boost::json::parse(output.substr(start));
  const auto& job = result.at("jobs").at(0);
  const auto& side = job.at(workload.writes ? "write" : "read");
  Figures figures;
  figures.requests_per_second = side.at("iops").to_number<double>();
  const double busy_share =
      (job.at("usr_cpu").to_number<double>() + job.at("sys_cpu").to_number<double>()) / 100;
  figures.cpu_microseconds = busy_share * 1e6 / figures.requests_per_second;
  return figures;
}

}  // namespace tapring::bench
