// SPDX-License-Identifier: MIT
// An image on storage that has no room for a time: for no write at all, as where every one needs
// new room (btrfs, thin volumes).
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/cut_images.h"
#include "tests/formats/image_verdict.h"
#include "tests/formats/overlapping_load.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"
#include "tests/sim/disk_model.h"
#include "tests/sim/random.h"

namespace tapring {
namespace {

using sim::FileOperation;

class Qcow2Full : public testing::TestWithParam<unsigned> {
 protected:
  Qcow2Full() : made_(directory_.path(), "qcow2", GetParam(), random_), model_(made_.content()) {
    ImageOptions options;
    options.path = made_.path();
    options.backing_formats = made_.backing_formats();
    image_.emplace(GetParam(), "qcow2", options);
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      image_->storage().behaviour(entry.path()).fault = [this](const FileOperation& operation) {
        const bool fails = full_ && operation.kind == FileOperation::Kind::write;
        return fails ? std::make_error_code(std::errc::no_space_on_device) : Error();
      };
    }
  }

  /// While it runs, the storage is full now and then, or never.
  void use(bool becomes_full) {
    OverlappingLoad load(*image_, model_, random_,
                         {.requests = 60, .depth = 6, .may_fail = becomes_full});
    load.begin();
    while (becomes_full && !load.idle()) {
      full_ = !full_;
      image_->world().run_for(std::chrono::microseconds(random_.between(1, 3000)));
    }
    ASSERT_TRUE(image_->world().run_until([&load] { return load.idle(); })) << "the image hangs";
    EXPECT_EQ(load.wrong(), "");
  }

  /// Nothing is lost.
  void flush() {
    const sim::DiskModel::Ticket flush = model_.begin_flush();
    const Error error = image_->flush();
    EXPECT_FALSE(error) << error.message();
    model_.end_flush(flush, !error);
  }

  void judge_content() {
    const sim::DiskModel::Ticket read = model_.begin_read();
    const Result<std::string> content = image_->content();
    ASSERT_TRUE(content) << content.error().message();
    const auto wrong = model_.end_read(read, 0, std::as_bytes(std::span(*content)));
    EXPECT_FALSE(wrong) << *wrong;
  }

  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam() + 900};
  CutImage made_;
  sim::DiskModel model_;
  bool full_ = false;
  std::optional<ServedImage> image_;
};

INSTANTIATE_TEST_SUITE_P(Shapes, Qcow2Full, testing::Range(0U, 39U, 3U));

TEST_P(Qcow2Full, ForATimeLosesNothing) {
  SCOPED_TRACE(made_.text());
  for (int time = 0; time < 6 && !HasFailure(); ++time) {
    use(true);
    full_ = true;
    flush();
    full_ = false;
    flush();
    judge_content();
    use(false);
  }
  EXPECT_FALSE(image_->close());
  const Verdict verdict = verdict_on(made_.path(), "qcow2");
  EXPECT_EQ(verdict.damage, "");
  EXPECT_EQ(verdict.leaks, 0U);
  EXPECT_EQ(damage_by_qemu(made_.path()), "");
}

}  // namespace
}  // namespace tapring
