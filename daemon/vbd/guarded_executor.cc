// SPDX-License-Identifier: MIT
#include "daemon/vbd/guarded_executor.h"

#include <exception>
#include <utility>

#include "daemon/xenstore/xenstore.h"

namespace tapring {

void GuardedExecutor::post(Work work) {
  executor_.post([&log = log_, work = std::move(work)]() mutable {
    try {
      work();
    } catch (const XenstoreLost& loss) {
      // Logged elsewhere, once for all disks. On the new connection every disk is looked at again.
      spdlog::debug("control: {}", loss.what());
    } catch (const std::exception& error) {
      log.log(spdlog::level::err, "control", "{}", error.what());
    }
  });
}

}  // namespace tapring
