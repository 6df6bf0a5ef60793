// SPDX-License-Identifier: MIT
#include "daemon/config/disk_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tapring {
namespace {

using testing::AllOf;
using testing::HasSubstr;

void expect_spec(std::string_view params, std::string_view format, std::string_view path) {
  const auto spec = parse_disk_spec(params);
  ASSERT_TRUE(spec.has_value()) << params << ": " << spec.error();
  EXPECT_EQ(spec->format, format) << params;
  EXPECT_EQ(spec->path, path) << params;
}

TEST(DiskSpec, BarePathGoesPastThePageCache) { expect_spec("/a.img", "aio", "/a.img"); }

TEST(DiskSpec, DriverPrefixNamesTheFormat) {
  expect_spec("raw:/a.img", "raw", "/a.img");
  expect_spec("aio:/a.img", "aio", "/a.img");
}

TEST(DiskSpec, AioInFrontOfAnotherDriverIsPeeledOff) {
  expect_spec("aio:raw:/a.img", "raw", "/a.img");
}

TEST(DiskSpec, ColonInThePathIsPartOfThePath) { expect_spec("raw:/a:b.img", "raw", "/a:b.img"); }

TEST(DiskSpec, UnknownDriverIsNamedWithTheKnownOnes) {
  const auto spec = parse_disk_spec("vmdk:/a.vmdk");
  ASSERT_FALSE(spec.has_value());
  EXPECT_THAT(spec.error(), AllOf(HasSubstr("'vmdk'"), HasSubstr("raw, aio")));
}

TEST(DiskSpec, WordsOfOtherDiskLinesAreRefusedWithWhatToWrite) {
  EXPECT_THAT(parse_disk_spec("tap:/a.img").error(), HasSubstr("write target=aio:/a.img"));
  EXPECT_THAT(parse_disk_spec("tap:qcow2:/a.img").error(), HasSubstr("write target=qcow2:/a.img"));
  EXPECT_THAT(parse_disk_spec("aio:file:/a.img").error(), HasSubstr("write target=aio:/a.img"));
  EXPECT_THAT(parse_disk_spec("phy:/dev/vg/lv").error(), HasSubstr("write target=aio:/dev/vg/lv"));
}

TEST(DiskSpec, UpperCaseIsRefusedWithWhatToWrite) {
  EXPECT_THAT(parse_disk_spec("QCOW2:/A.img").error(), HasSubstr("write target=qcow2:/A.img"));
  EXPECT_THAT(parse_disk_spec("aio:Raw:/a.img").error(), HasSubstr("write target=raw:/a.img"));
}

TEST(DiskSpec, RelativePathIsRefused) {
  EXPECT_THAT(parse_disk_spec("raw:images/a.img").error(), HasSubstr("no absolute path"));
  EXPECT_THAT(parse_disk_spec("a.img").error(), HasSubstr("no absolute path"));
}

TEST(DiskSpec, EmptyParamsAreRefused) {
  EXPECT_FALSE(parse_disk_spec("").has_value());
  EXPECT_FALSE(parse_disk_spec("aio:").has_value());
}

TEST(Ownership, BarePathOfTheStockScriptIsPlain) {
  EXPECT_EQ(ownership("vbd", "/etc/xen/scripts/block", "/a.img"), Ownership::plain);
  EXPECT_EQ(ownership("vbd", "", "/a.img"), Ownership::plain);
}

TEST(Ownership, OurScriptMakesItOurs) {
  EXPECT_EQ(ownership("vbd", "/etc/xen/scripts/block-tapring", "raw:/dev/sda"), Ownership::ours);
  EXPECT_EQ(ownership("vbd", "/etc/xen/scripts/block-tapring", "nonsense"), Ownership::ours);
}

TEST(Ownership, OtherScriptsAreOthers) {
  EXPECT_EQ(ownership("vbd", "/etc/xen/scripts/block-iscsi", "iqn=x"), Ownership::not_ours);
  EXPECT_EQ(ownership("vbd", "/etc/xen/scripts/block-drbd", "/a.img"), Ownership::not_ours);
  EXPECT_EQ(ownership("vbd", "/etc/xen/scripts/block", "nbd:host"), Ownership::not_ours);
}

TEST(Ownership, OtherKindsAreOurs) {
  EXPECT_EQ(ownership("vbd3", "/etc/xen/scripts/block-tap", "aio:/a.img"), Ownership::ours);
  EXPECT_EQ(ownership("qdisk", "", "aio:/a.img"), Ownership::ours);
}

}  // namespace
}  // namespace tapring
