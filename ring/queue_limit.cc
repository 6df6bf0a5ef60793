// SPDX-License-Identifier: MIT
#include "ring/queue_limit.h"

#include <sys/sysmacros.h>

#include <fstream>
#include <string>

namespace tapring {

uint64_t queue_limit(dev_t device, const char* name) {
  uint64_t value = 0;
  // A partition has no queue but its disk's.
  for (const char* queue : {"queue", "../queue"}) {
    std::ifstream file("/sys/dev/block/" + std::to_string(major(device)) + ':' +
                       std::to_string(minor(device)) + '/' + queue + '/' + name);
    if (file >> value) return value;
  }
  return 0;
}

}  // namespace tapring
