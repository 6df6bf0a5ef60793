// SPDX-License-Identifier: MIT
#include "daemon/cli/unfinished_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

class UnfinishedFileTest : public testing::Test {
 protected:
  std::string make(const std::string& name) {
    const std::string path = (directory_.path() / name).string();
    std::ofstream(path) << "a part";
    return path;
  }

  /// Of the signal that it ends by, if it does.
  static int end_of(const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      work();
      std::_Exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

  TemporaryDirectory directory_;
};

TEST_F(UnfinishedFileTest, IsGoneUnlessItIsKept) {
  const std::string path = make("image");
  { const UnfinishedFile file(path); }
  EXPECT_FALSE(std::filesystem::exists(path));
  const std::string kept = make("image");
  { UnfinishedFile(kept).keep(); }
  EXPECT_TRUE(std::filesystem::exists(kept));
}

TEST_F(UnfinishedFileTest, IsGoneWhereASignalEndsTheProcess) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    const std::string data = make("data");
    const std::string image = make("image");
    const std::string done = make("done");
    EXPECT_EQ(end_of([&] {
                UnfinishedFile first(done);
                const UnfinishedFile second(data);
                const UnfinishedFile third(image);
                first.keep();
                ::raise(number);
              }),
              number);
    EXPECT_FALSE(std::filesystem::exists(data));
    EXPECT_FALSE(std::filesystem::exists(image));
    EXPECT_TRUE(std::filesystem::exists(done));
  }
}

TEST_F(UnfinishedFileTest, ASignalThatIsIgnoredStaysSo) {
  const std::string path = make("image");
  EXPECT_EQ(end_of([&] {
              ::signal(SIGHUP, SIG_IGN);
              UnfinishedFile file(path);
              ::raise(SIGHUP);
              file.keep();
            }),
            0);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(UnfinishedFileTest, LeavesSignalsAsTheyWere) {
  const std::string path = make("image");
  EXPECT_EQ(end_of([&] {
              { const UnfinishedFile file(path); }
              make("image");
              ::raise(SIGTERM);
            }),
            SIGTERM);
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace tapring
