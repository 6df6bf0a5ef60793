// SPDX-License-Identifier: MIT
#include "daemon/cli/image_check.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <boost/json.hpp>
#include <ostream>
#include <stdexcept>

#include "daemon/cli/exit_code.h"
#include "daemon/cli/image_holders.h"
#include "daemon/cli/progress_bar.h"
#include "formats/clusters/blocking_io.h"
#include "formats/format.h"
#include "formats/image_file.h"
#include "formats/printable.h"
#include "formats/signature.h"

namespace tapring {
namespace {

namespace json = boost::json;

const ImageCheck& last(const CheckResult& result) {
  return result.left ? *result.left : result.found;
}

bool is_well(const ImageCheck& check) {
  return check.findings.corruptions() == 0 && check.findings.leaks() == 0 && !check.dirty &&
         !check.corrupt;
}

CheckOptions options_with(ProgressBar& bar) {
  CheckOptions options;
  options.progress = [&bar](uint64_t done, uint64_t all) { bar.show(done, all); };
  return options;
}

json::object counts_of(const ImageCheck& check) {
  return {{"corruptions", check.findings.corruptions()}, {"leaks", check.findings.leaks()}};
}

void print_findings(const Findings& findings, std::ostream& out) {
  for (const std::string& text : findings.texts()) fmt::print(out, "{}\n", printable(text));
  const uint64_t all = findings.corruptions() + findings.leaks();
  if (all > findings.texts().size()) {
    fmt::print(out, "and {} more\n", all - findings.texts().size());
  }
}

std::string describe(const ImageCheck& check) {
  std::string text = fmt::format("{} corruptions, {} leaked clusters", check.findings.corruptions(),
                                 check.findings.leaks());
  if (check.findings.corruptions() == 0 && check.findings.leaks() == 0) text = "no errors";
  if (check.dirty) text += ", marked as dirty";
  if (check.corrupt) text += ", marked as corrupt";
  return text;
}

/// What the file's bytes say it is.
const Format& checked_format(const OpenFile& file) {
  const std::string name = format_by_signature(file).value_or("raw");
  const Format* format = find_format(name);
  if (format != nullptr && format->check != nullptr) return *format;
  const std::string which = name == "raw" ? "a raw image has no tables" : "it looks like " + name;
  throw std::runtime_error(file.path + " is no qcow2 image, and only those are checked here (" +
                           which + ")");
}

}  // namespace

CheckResult check_image(const std::string& path, const std::optional<Repair>& repair,
                        std::ostream* progress) {
  if (repair) check_unused(path);
  ImageOptions options;
  options.path = path;
  options.read_only = !repair;
  options.audience = Audience::shell;
  OpenFile file = open_file(image_file(options, path, Caching::page_cache));
  const Format& format = checked_format(file);
  if (repair) fill_last_sector(file);
  CheckResult result;
  result.path = path;
  {
    ProgressBar bar(progress, "checking");
    result.found = format.check(file, options_with(bar));
  }
  if (!repair || is_well(result.found)) return result;
  ProgressBar bar(progress, "repairing");
  result.left = format.repair(file, *repair, options_with(bar));
  return result;
}

int exit_code_of(const CheckResult& result) {
  const Findings& findings = last(result).findings;
  if (findings.corruptions() > 0) return kCorruptions;
  return findings.leaks() > 0 ? kLeaks : kDone;
}

json::object to_json(const CheckResult& result) {
  const ImageCheck& check = last(result);
  json::object object{{"ok", true},
                      {"path", result.path},
                      {"found", counts_of(result.found)},
                      {"left", counts_of(check)},
                      {"findings", json::value_from(result.found.findings.texts())},
                      {"findings_left", json::value_from(check.findings.texts())},
                      {"dirty", check.dirty},
                      {"corrupt", check.corrupt},
                      {"clusters", check.guest_clusters},
                      {"allocated_clusters", check.allocated_clusters},
                      {"compressed_clusters", check.compressed_clusters},
                      {"end_bytes", check.end_bytes}};
  return object;
}

void print(const CheckResult& result, std::ostream& out) {
  print_findings(result.found.findings, out);
  fmt::print(out, "{}: {}\n", printable(result.path), describe(result.found));
  if (result.left) {
    fmt::print(out, "after the repair:\n");
    print_findings(result.left->findings, out);
    fmt::print(out, "{}: {}\n", printable(result.path), describe(*result.left));
  }
  const ImageCheck& check = last(result);
  fmt::print(out, "{} of {} clusters allocated, {} of them compressed; the file ends at byte {}\n",
             check.allocated_clusters, check.guest_clusters, check.compressed_clusters,
             check.end_bytes);
}

}  // namespace tapring
