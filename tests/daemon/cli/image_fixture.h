// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/cli/cli.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"

namespace tapring {

/// Speaks `tapring image`.
class CliImage : public testing::Test {
 protected:
  int tapring(const std::vector<std::string>& words, std::ostream* terminal = nullptr) {
    out_.str("");
    err_.str("");
    std::vector<const char*> arguments{"image"};
    for (const std::string& word : words) arguments.push_back(word.c_str());
    return run_cli(arguments, {out_, err_, false, terminal});
  }

  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  std::string path(const std::string& name) const { return (directory_.path() / name).string(); }

  std::string create(const std::string& name, const std::string& options = "") {
    run_command("qemu-img create -q -f qcow2 " + options + ' ' + shell_quoted(path(name)) + " 8M");
    return path(name);
  }

  std::string make_dirty() {
    const std::string image = create("dirty", "-o lazy_refcounts=on");
    run_command("qemu-io -f qcow2 -c 'write -q 64k 1M' -c abort " + shell_quoted(image) +
                " >/dev/null 2>&1 || true");
    return image;
  }

  TemporaryDirectory directory_{memory_directory()};

 private:
  std::ostringstream out_;
  std::ostringstream err_;
};

}  // namespace tapring
