// SPDX-License-Identifier: MIT
#include "daemon/vbd/spec_reader.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace tapring {
namespace {

// How long a toolstack that writes keys one by one may take until it writes the script.
constexpr std::chrono::seconds kScriptPatience(1);

}  // namespace

SpecReader::Found SpecReader::read() {
  const VbdNode& node = device_.node;
  const auto frontend = node.read_frontend();
  if (!frontend) return Found::nothing;
  obstacle_ = node.missing_key();
  if (obstacle_.empty() && awaits_script()) obstacle_ = "script";
  if (!obstacle_.empty()) return Found::incomplete;
  if (!*frontend) {
    obstacle_ = frontend->error();
    return Found::invalid;
  }
  if (!known_ || spec_.frontend != **frontend) {
    stop_watching();  // xenstore may have failed the last time after it began to watch
    spec_.frontend = **frontend;
    // Begun early: the event that each watch begins with has then come by the end of this, and
    // causes no second look.
    device_.context.store.watch(spec_.frontend + "/state", node.path());
    watching_ = true;
  }
  take(node.read_spec(**frontend));
  known_ = true;  // not before: where xenstore refuses anything, the next event tries again
  device_.log(spdlog::level::debug, "found as {}: params '{}', mode {}, script '{}'", node.path(),
              spec_.params, spec_.mode, spec_.script);
  return Found::complete;
}

void SpecReader::take(VbdSpec spec) {
  spec_ = std::move(spec);
  device_.log.set_vdev(spec_.vdev);
}

void SpecReader::refresh(bool in_use) {
  if (!std::exchange(wrote_, false) || in_use) return;
  VbdSpec spec = device_.node.read_spec(spec_.frontend);
  spec.params = std::move(spec_.params);
  spec.mode = std::move(spec_.mode);
  take(std::move(spec));
}

/// A node without a script is connected without waiting for one. A script that came later would
/// find state 4, and take the disk for one that is being removed.
bool SpecReader::awaits_script() {
  if (script_given_up_ || !device_.node.may_get_script()) return false;
  if (std::exchange(script_awaited_, true)) return true;
  device_.tasks.after(kScriptPatience, [this] {
    script_given_up_ = true;
    look_();
  });
  return true;
}

void SpecReader::stop_watching() {
  if (std::exchange(watching_, false)) {
    device_.context.store.unwatch(spec_.frontend + "/state", device_.node.path());
  }
}

}  // namespace tapring
