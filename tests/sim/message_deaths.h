// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>

namespace tapring::sim {

/// Counts all messages between the control process and its workers, and says who dies with which.
class SimMessageDeaths {
 public:
  enum class Victim : uint8_t {
    nobody,
    sender,    ///< instead of sending it
    receiver,  ///< having received it, with nothing done yet
    both,      ///< instead of sending it
  };

  /// `number`: of the messages to come, from 1.
  void at_message(uint64_t number, Victim victim) { victims_[sent_ + number] = victim; }

  /// From now on nobody dies.
  void stop() noexcept { victims_.clear(); }

  /// With the message that is sent now.
  Victim next() {
    const auto found = victims_.extract(++sent_);
    return found ? found.mapped() : Victim::nobody;
  }

  uint64_t sent() const noexcept { return sent_; }

 private:
  std::map<uint64_t, Victim> victims_;  ///< by the number of the message
  uint64_t sent_ = 0;
};

}  // namespace tapring::sim
