// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <initializer_list>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/cli/cli.h"
#include "daemon/host/log.h"
#include "tests/daemon/control/served_control.h"
#include "tests/daemon/control/fake_reporter.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {

/// Speaks the command without a daemon.
class CliAlone : public testing::Test {
 protected:
  ~CliAlone() override { set_log_level(LogLevel::info); }

  int tapring(std::initializer_list<const char*> words, std::ostream* out = nullptr) {
    out_.str("");
    err_.str("");
    const std::string run_dir = directory_.path();
    std::vector<const char*> arguments{"--run-dir", run_dir.c_str()};
    arguments.insert(arguments.end(), words);
    Streams world{out == nullptr ? out_ : *out, err_};
    world.patience = patience_;
    return run_cli(arguments, world);
  }

  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  TemporaryDirectory directory_;
  std::chrono::milliseconds patience_ = kAnswerTime;

 private:
  std::ostringstream out_;
  std::ostringstream err_;
};

class Cli : public CliAlone {
 protected:
  Cli() : control_(directory_.path(), reporter_) {
    reporter_.set({connected_disk(0), refused_disk(0)});
  }

  FakeReporter reporter_;

 private:
  ServedControl control_;
};

}  // namespace tapring
