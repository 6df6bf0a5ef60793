// SPDX-License-Identifier: MIT
#include "daemon/vbd/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <sstream>

#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using testing::HasSubstr;

// As systemd 252 mounts for tapringd.service.
constexpr const char* kService = R"(
620 500 8:1 / / ro,relatime shared:1 master:1 - ext4 /dev/sda1 rw
621 620 0:55 / /dev ro,nosuid,noexec - tmpfs tmpfs rw,size=4096k,mode=755
622 621 0:5 /xen /dev/xen rw,nosuid - devtmpfs udev rw
623 620 0:26 / /run ro,nosuid,nodev - tmpfs tmpfs rw
624 620 0:26 /systemd/inaccessible/dir /home ro,nosuid,nodev,noexec - tmpfs tmpfs rw
625 620 0:26 /systemd/inaccessible/dir /root ro,nosuid,nodev,noexec - tmpfs tmpfs rw
626 620 8:1 /tmp/systemd-private-0123-tapringd.service-abc/tmp /tmp rw,relatime - ext4 /dev/sda1 rw
627 620 8:1 /srv /srv rw,relatime master:1 - ext4 /dev/sda1 rw
628 620 8:9 / /my\040cds ro,relatime master:2 - iso9660 /dev/sr0 ro
)";

Sandbox sandbox() {
  std::istringstream mounts(kService);
  return Sandbox(read_mounts(mounts));
}

std::string why_not(const std::string& path, int number) {
  return sandbox().why_not(path, std::error_code(number, std::system_category())).value_or("");
}

TEST(SandboxTest, NamesTheSettingThatHidesAFile) {
  EXPECT_THAT(why_not("/home/xen/a.img", EACCES),
              HasSubstr("hidden from the service by ProtectHome=: printf '[Service]\\nProtectHome="
                        "no\\nReadWritePaths=/home/xen\\n' >/etc/systemd/system/tapringd.service.d/"
                        "home.conf; systemctl daemon-reload && systemctl restart tapringd"));
  EXPECT_THAT(why_not("/root/a.img", EACCES), HasSubstr("ProtectHome="));
  EXPECT_THAT(why_not("/tmp/a.img", ENOENT), HasSubstr("PrivateTmp="));
  EXPECT_THAT(why_not("/dev/loop0", ENOENT),
              HasSubstr("PrivateDevices=: printf '[Service]\\nPrivateDevices=no\\nDeviceAllow="
                        "block-loop rw\\n'"));
  EXPECT_THAT(why_not("/dev/vg/lv", ENOENT), HasSubstr("DeviceAllow=block-* rw"));
}

TEST(SandboxTest, NamesTheDirectoryThatMayBeWritten) {
  EXPECT_THAT(why_not("/vm/a.img", EROFS),
              HasSubstr("ReadWritePaths=/vm\\n' >/etc/systemd/system/tapringd.service.d/"));
  EXPECT_THAT(why_not("/vm/'; reboot '/a.img", EROFS), HasSubstr("ReadWritePaths=DIRECTORY\\n"));
}

TEST(SandboxTest, SaysNothingOfOtherFaults) {
  EXPECT_EQ(why_not("/srv/a.img", ENOENT), "");
  EXPECT_EQ(why_not("/vm/a.img", ENOENT), "");
  EXPECT_EQ(why_not("/homes/a.img", ENOENT), "");
  EXPECT_EQ(why_not("/my cds/a.iso", EROFS), "");
  EXPECT_EQ(why_not("/dev/xen/a", ENOENT), "");
}

TEST(SandboxTest, ExplainsWhatTheImageItselfMeets) {
  const TemporaryDirectory directory;
  const std::string missing = (directory.path() / "missing").string();
  std::istringstream mounts("1 0 8:1 /systemd-private-x/tmp " + directory.path().string() +
                            " rw - ext4 /dev/sda1 rw\n");
  const Sandbox private_tmp(read_mounts(mounts));
  const DiskOpener open =
      explaining(private_tmp, [](const OpenRequest&) -> std::unique_ptr<OpenImage> {
        throw std::system_error(ENOENT, std::system_category(), "open it (create it)");
      });
  const auto refusal = [&open](const std::string& path) {
    try {
      open({{"raw", path}, "w", Purpose::service, "vbd-1-51712"});
    } catch (const std::system_error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal(missing), HasSubstr("open " + missing +
                                          " (hidden from the service by "
                                          "PrivateTmp="));
  // Something else is missing, such as a backing file.
  EXPECT_THAT(refusal(directory.path()), HasSubstr("open it (create it)"));
}

}  // namespace
}  // namespace tapring
