// SPDX-License-Identifier: MIT
#include "tests/formats/image_verdict.h"

#include <system_error>

#include "formats/clusters/blocking_io.h"
#include "formats/qcow2/offline/check.h"
#include "tests/formats/qcow/qcow_image.h"

namespace tapring {
namespace {

Verdict verdict_on_qcow2(const std::string& path) {
  ImageOptions options;
  options.path = path;
  options.read_only = true;
  options.locked = false;
  try {
    const ImageCheck check = qcow2::check_image(open_host_file(options, path), {});
    Verdict verdict{{}, check.findings.leaks()};
    for (const std::string& text : check.findings.texts()) {
      if (text.starts_with("corruption")) verdict.damage += text + '\n';
    }
    if (check.findings.corruptions() > 0 && verdict.damage.empty()) verdict.damage = "corrupt";
    return verdict;
  } catch (const std::system_error& error) {
    return {error.what(), 0};
  }
}

}  // namespace

Verdict verdict_on(const std::string& path, const std::string& format) {
  if (format == "qcow2") return verdict_on_qcow2(path);
  if (format == "qcow") return {damage_of_qcow(path), 0};
  return {};
}

}  // namespace tapring
