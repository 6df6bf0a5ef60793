// SPDX-License-Identifier: MIT
// `tapring image`: what can be done with an image without tapringd.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "daemon/cli/cli.h"
#include "daemon/cli/image_create.h"

namespace tapring {

/// What was typed after `tapring image`.
struct ImageRequest {
  CLI::App* app = nullptr;  ///< `tapring image`
  std::string path;
  std::string format;
  CreateOptions create_options;  ///< of `create`, but for path and format
  std::string repair;
  bool chain = false;
  std::vector<std::string> backing_formats;  ///< image_chain()'s
  bool json = false;
};

/// `request` is filled when `app` parses, and outlives that.
void declare_image(CLI::App& app, ImageRequest& request);

/// Returns the exit code: 1 if the command fails; 2 or 3 if `check` finds corruptions or leaks.
int run_image(const ImageRequest& request, const Streams& streams);

}  // namespace tapring
