// SPDX-License-Identifier: MIT
// A disk of a benchmark, from its line to state 4. Driven by what xenstore says, so that many come
// to life at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/pretend/stream_queue.h"
#include "tests/pretend/toolstack.h"

namespace tapring::pretend {

class StreamDisk {
 public:
  /// Of the guest that `world` is; the toolstack's part is done too.
  StreamDisk(GuestWorld& world, Toolstack& toolstack, StreamMemory& memory, Events& events,
             sim::DiskLine line, const StreamWork& work);
  StreamDisk(const StreamDisk&) = delete;
  StreamDisk& operator=(const StreamDisk&) = delete;

  /// Watch events with this token are for look().
  const std::string& token() const noexcept { return frontend_; }

  void begin_attach();

  /// Does what the backend's state allows. Throws std::runtime_error if it refuses the disk.
  void look();

  bool connected() const noexcept { return step_ == Step::connected; }
  uint64_t sectors() const noexcept { return sectors_; }
  std::vector<std::unique_ptr<StreamQueue>>& queues() noexcept { return queues_; }

 private:
  enum class Step : uint8_t { none, attaching, offered, connected };

  void end_script();
  void offer();
  void connect();
  void set_state(uint32_t state, XenstoreKeys keys);

  GuestWorld& world_;
  Toolstack& toolstack_;
  StreamMemory& memory_;
  Events& events_;
  sim::DiskLine line_;
  StreamWork work_;
  std::string backend_;
  std::string frontend_;
  Step step_ = Step::none;
  bool in_script_ = true;
  uint64_t sectors_ = 0;
  std::vector<std::unique_ptr<StreamQueue>> queues_;
};

}  // namespace tapring::pretend
