// SPDX-License-Identifier: MIT
#include "daemon/host/control_port.h"

#include <utility>

namespace tapring {

Message ControlPort::call_about_disk(Verb verb, std::vector<std::string> words) {
  try {
    return call(verb, std::move(words));
  } catch (const ControlRefused& refusal) {
    if (refusal.store_lost()) throw ControlLost(refusal.code().value());
    throw;
  }
}

}  // namespace tapring
