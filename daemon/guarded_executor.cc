// SPDX-License-Identifier: MIT
#include "daemon/guarded_executor.h"

#include <exception>
#include <utility>

namespace tapring {

void GuardedExecutor::post(Work work) {
  executor_.post([&log = log_, work = std::move(work)]() mutable {
    try {
      work();
    } catch (const std::exception& error) {
      log.log(spdlog::level::err, "control", "{}", error.what());
    }
  });
}

}  // namespace tapring
