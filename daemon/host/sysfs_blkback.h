// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/host/blkback.h"

namespace tapring {

/// Uses the driver's attributes in sysfs. If they are missing, xen-blkback is not loaded.
class SysfsBlkback final : public Blkback {
 public:
  explicit SysfsBlkback(std::filesystem::path sysfs = "/sys") : sysfs_(std::move(sysfs)) {}

  bool loaded() const override;
  bool serves(const std::string& name) const override;
  Limits limits() const override;
  std::optional<BlockDevice> block_device(const std::string& number) const override;
  std::shared_ptr<const void> without_persistent_grants() const override;
  Error unbind(const std::string& name, bool coming,
               std::chrono::milliseconds patience) const override;
  Error bind(const std::string& name) const override;

 private:
  std::filesystem::path driver() const { return sysfs_ / "bus/xen-backend/drivers/vbd"; }
  Error write(const char* file, const std::string& name) const;

  std::filesystem::path sysfs_;
  mutable std::weak_ptr<const void> without_persistent_grants_;
};

}  // namespace tapring
