// SPDX-License-Identifier: MIT
// One disk of a scenario while it is played: its line, its guest's driver, its loads, and what may
// be expected of it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/host.h"
#include "tests/sim/load.h"
#include "tests/sim/scenario.h"

namespace tapring::sim {

class ExploredDisk {
 public:
  ExploredDisk(Host& host, const DiskPlan& plan, std::size_t number);
  ExploredDisk(const ExploredDisk&) = delete;
  ExploredDisk& operator=(const ExploredDisk&) = delete;

  const DiskPlan& plan() const noexcept { return plan_; }
  const DiskLine& line() const noexcept { return line_; }
  const std::string& image() const noexcept { return image_; }
  bool hostile() const noexcept { return plan_.hostile; }
  /// The image is qcow2: its file has not the size of its disk.
  bool has_clusters() const noexcept { return has_clusters_; }
  VbdName name() const { return {line_.kind, line_.name.domain, line_.name.device}; }

  /// nullptr before the first attach().
  SimFrontend* frontend() const noexcept { return frontend_; }
  bool connected() const noexcept { return frontend_ != nullptr && frontend_->connected(); }

  /// The toolstack has something of it.
  bool present() const;
  SimToolstack::Progress progress() const;

  /// Of the image, as the guest is to see them.
  uint64_t sectors() const noexcept;
  /// Somebody makes the image larger; a qcow2 image stays as it is.
  void grow(uint64_t bytes);

  void attach(DomainId guest);
  void run(const LoadOptions& options);

  /// Its storage is quick and does not fail.
  void mend_storage();

  /// Its storage fails with this errno: requests wait, or may fail if its policy says so, or if
  /// the disk is detached by force meanwhile.
  void fail(int number);

  /// Its policy is this, in all its fields, for what waits and until the disk is attached anew.
  void change_policy(const PolicyWords& words);

  /// Its storage fails: requests may fail.
  void spoil() noexcept { spoiled_ = ever_failed_ = true; }
  bool ever_failed() const noexcept { return ever_failed_; }

  /// Something that holds requests up was done.
  void excuse_delay() noexcept { delayed_ = true; }

  /// Everything it needs is sound from now on. Forgets what was.
  void trust() noexcept;

  /// Requests of its loads, all lives together, that a ring took and did not answer.
  bool busy() const noexcept { return connected() && frontend_->in_flight() > 0; }

  /// What the daemon or anybody still holds of the image and the rings.
  std::string held() const;

  /// Everything that is wrong so far.
  std::vector<std::string> faults();

  DiskModel& model() { return host_.model(line_.params); }

 private:
  void make_qcow2();
  void verify(const SimLoad& load, std::vector<std::string>& faults) const;

  Host& host_;
  DiskPlan plan_;
  std::size_t number_;
  bool has_clusters_;
  std::string image_;
  uint64_t bytes_;
  DiskLine line_;
  SimFrontend* frontend_ = nullptr;
  std::vector<SimFrontend*> all_frontends_;
  bool attached_once_ = false;
  ErrorPolicy policy_;
  bool spoiled_ = false;
  bool ever_failed_ = false;  ///< its storage, in this life or another
  bool delayed_ = false;
  std::vector<std::unique_ptr<SimLoad>> loads_;
  std::vector<std::unique_ptr<SimLoad>> past_loads_;  ///< before trust()
};

}  // namespace tapring::sim
