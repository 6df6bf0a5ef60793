// SPDX-License-Identifier: MIT
// A benchmark's guest: disks of one domain, attached and then kept busy, by one thread. It sleeps
// until there are events, or polls.
#pragma once

#include <sys/types.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/pretend/latencies.h"
#include "tests/pretend/stream_disk.h"

namespace tapring::pretend {

struct StreamOptions {
  StreamWork work;
  std::vector<std::string> images;  ///< as params of a disk line; a disk for each
  double seconds = 2;
  pid_t backend = 0;  ///< the process that is measured
};

/// Everything throws: std::system_error, std::runtime_error.
class Stream {
 public:
  Stream(Machine& machine, DomainId domain, StreamOptions options);

  GuestWorld& world() noexcept { return world_; }

  /// All disks, at the same time or one after the other.
  void attach(bool one_at_a_time);

  /// Runs the work, and says what it was like.
  boost::json::object measure();

 private:
  struct Window;

  void look_at(const std::string& token);
  void start();
  Window run(std::chrono::nanoseconds time);
  void drain();
  void turn(bool stop);
  void look_at_all(bool stop);
  void wait_for_events(bool stop);
  uint64_t failed() const;

  Machine& machine_;
  StreamOptions options_;
  GuestWorld world_;
  Toolstack toolstack_;
  StreamMemory memory_;
  std::vector<std::unique_ptr<StreamDisk>> disks_;
  std::map<std::string, StreamDisk*> by_token_;
  std::size_t connected_ = 0;
  std::vector<StreamQueue*> queues_;
  std::map<Port, StreamQueue*> by_port_;
  Latencies latencies_;
};

}  // namespace tapring::pretend
