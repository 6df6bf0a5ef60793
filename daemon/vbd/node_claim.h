// SPDX-License-Identifier: MIT
// Decides who serves a node of kind vbd: tapringd, or xen-blkback, which takes each new one. If
// both could, xen-blkback keeps the disks whose images tapringd may not open: they worked without
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "daemon/vbd/device_context.h"
#include "daemon/vbd/open_disk.h"

namespace tapring {

/// Who serves a node.
enum class Owner : uint8_t {
  unknown,
  tapringd,
  refused,  ///< tapringd, which does not serve it
  blkback,
  other,  ///< neither
};

class NodeClaim {
 public:
  struct Decision {
    Owner owner;
    std::string reason;  ///< empty where it is ours
  };

  /// `examined`: called on the control thread when a decision can be asked for again.
  NodeClaim(const DeviceScope& device, const VbdSpec& spec, std::function<void()> examined)
      : device_(device), spec_(spec), examined_(std::move(examined)) {}
  NodeClaim(const NodeClaim&) = delete;
  NodeClaim& operator=(const NodeClaim&) = delete;

  /// Of a node in this state. nullopt: is_examining(), and then examined() follows.
  std::optional<Decision> decide(const VbdState& now);

  bool is_examining() const noexcept { return stage_ == Stage::examining; }
  bool is_under_way() const noexcept { return stage_ != Stage::none; }

 private:
  enum class Stage : uint8_t { none, examining, examined };

  struct Question {
    bool plain = false;                         ///< the disk line does not say who serves it
    bool from_blkback = false;                  ///< which takes each node of its kind
    XenbusState before = XenbusState::missing;  ///< the backend's state
    OpenRequest request;
  };

  struct Examination {
    XenbusState before = XenbusState::missing;  ///< the question's
    bool plain = false;                         ///< likewise
    std::string why_blkbacks;                   ///< why xen-blkback keeps it, if it does
    bool denied = false;                        ///< then: we may not open it
    Error unbinding;
  };

  std::optional<Decision> begin_claim(const VbdState& now);
  Decision finish_claim(const VbdState& now);
  std::optional<Decision> examine(const VbdState& now, bool plain);
  static Examination examine_in_background(const Question& question, const DiskOpener& open,
                                           const Blkback& blkback);
  Decision refuse_no_capacity(const VbdState& now);
  Decision leave_to_blkback(const VbdState& now, std::string reason);
  void give_back();
  bool is_vbd() const { return device_.name.kind == "vbd"; }
  bool blkback_serves() const;

  DeviceScope device_;
  const VbdSpec& spec_;
  const std::function<void()> examined_;
  Stage stage_ = Stage::none;
  Examination examination_;
};

}  // namespace tapring
