// SPDX-License-Identifier: MIT
// Answers of the control socket where worker processes serve the disks: each is asked, and what
// they say is put together.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/vbd/supervisor.h"

namespace tapring {

class WorkerAnswers {
 public:
  /// `workers` outlives this. `problems`: of the configuration.
  WorkerAnswers(Supervisor& workers, std::vector<std::string> problems);
  WorkerAnswers(const WorkerAnswers&) = delete;
  WorkerAnswers& operator=(const WorkerAnswers&) = delete;
  ~WorkerAnswers();

  /// Runs `done` with the answer to a request, which is at most a second away.
  void answer(std::string_view request, std::function<void(std::string)> done);

 private:
  std::string put_together(const std::string& own, const std::vector<WorkerAnswer>& answers);
  bool is_of(const std::string& worker, const boost::json::value& disk) const;
  void take(const WorkerAnswer& answer, boost::json::array& disks);

  Supervisor& workers_;
  const std::vector<std::string> problems_;
  /// The disks of each worker, as it told of them last: shown while it does not answer.
  std::map<std::string, std::unique_ptr<boost::json::array>> last_;
};

}  // namespace tapring
