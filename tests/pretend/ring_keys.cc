// SPDX-License-Identifier: MIT
#include "tests/pretend/ring_keys.h"

#include <bit>

namespace tapring::pretend {

XenstoreKeys ring_keys(const std::string& protocol, std::span<const RingKeys> rings) {
  XenstoreKeys keys{{"protocol", protocol}, {"feature-persistent", "0"}};
  const bool several = rings.size() > 1;
  if (several) keys["multi-queue-num-queues"] = std::to_string(rings.size());
  for (std::size_t i = 0; i < rings.size(); ++i) {
    const std::string place = several ? "queue-" + std::to_string(i) + "/" : "";
    const std::vector<GrantRef>& refs = rings[i].refs;
    keys[place + "event-channel"] = std::to_string(rings[i].port);
    if (refs.size() == 1) {
      keys[place + "ring-ref"] = std::to_string(refs[0]);
      continue;
    }
    keys["ring-page-order"] = std::to_string(std::countr_zero(refs.size()));
    for (std::size_t page = 0; page < refs.size(); ++page) {
      keys[place + "ring-ref" + std::to_string(page)] = std::to_string(refs[page]);
    }
  }
  return keys;
}

}  // namespace tapring::pretend
