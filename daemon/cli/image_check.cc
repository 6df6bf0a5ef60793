// SPDX-License-Identifier: MIT
#include "daemon/cli/image_check.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <boost/json.hpp>
#include <ostream>

#include "daemon/cli/progress_bar.h"
#include "formats/clusters/blocking_io.h"
#include "formats/image_file.h"
#include "formats/printable.h"

namespace tapring {
namespace {

namespace json = boost::json;
using qcow2::ImageCheck;

const ImageCheck& last(const ImageCheckup& checkup) {
  return checkup.left ? *checkup.left : checkup.found;
}

bool is_well(const ImageCheck& check) {
  return check.findings.corruptions() == 0 && check.findings.leaks() == 0 && !check.dirty &&
         !check.corrupt;
}

qcow2::CheckOptions options_with(ProgressBar& bar) {
  qcow2::CheckOptions options;
  options.progress = [&bar](uint64_t done, uint64_t all) { bar.show(done, all); };
  return options;
}

json::object counts_of(const ImageCheck& check) {
  return {{"corruptions", check.findings.corruptions()}, {"leaks", check.findings.leaks()}};
}

void print_findings(const qcow2::Findings& findings, std::ostream& out) {
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

}  // namespace

ImageCheckup check_up(const std::string& path, const std::optional<qcow2::Repair>& repair,
                      std::ostream* progress) {
  ImageOptions options;
  options.path = path;
  options.read_only = !repair;
  OpenFile file = open_file(image_file(options, path, Caching::page_cache));
  if (repair) fill_last_sector(file);
  ImageCheckup checkup;
  checkup.path = path;
  {
    ProgressBar bar(progress, "checking");
    checkup.found = check_image(file, options_with(bar));
  }
  if (!repair || is_well(checkup.found)) return checkup;
  ProgressBar bar(progress, "repairing");
  qcow2::FileWriter writer(file);
  checkup.left = repair_image(file, *repair, writer, options_with(bar));
  return checkup;
}

int exit_code_of(const ImageCheckup& checkup) {
  constexpr int kCorruptions = 2;
  constexpr int kLeaks = 3;
  const qcow2::Findings& findings = last(checkup).findings;
  if (findings.corruptions() > 0) return kCorruptions;
  return findings.leaks() > 0 ? kLeaks : 0;
}

json::object to_json(const ImageCheckup& checkup) {
  const ImageCheck& check = last(checkup);
  json::object object{{"ok", true},
                      {"path", checkup.path},
                      {"found", counts_of(checkup.found)},
                      {"left", counts_of(check)},
                      {"findings", json::value_from(checkup.found.findings.texts())},
                      {"findings_left", json::value_from(check.findings.texts())},
                      {"dirty", check.dirty},
                      {"corrupt", check.corrupt},
                      {"clusters", check.guest_clusters},
                      {"allocated_clusters", check.allocated_clusters},
                      {"compressed_clusters", check.compressed_clusters},
                      {"end_bytes", check.end_bytes}};
  return object;
}

void print(const ImageCheckup& checkup, std::ostream& out) {
  print_findings(checkup.found.findings, out);
  fmt::print(out, "{}: {}\n", printable(checkup.path), describe(checkup.found));
  if (checkup.left) {
    fmt::print(out, "after the repair:\n");
    print_findings(checkup.left->findings, out);
    fmt::print(out, "{}: {}\n", printable(checkup.path), describe(*checkup.left));
  }
  const ImageCheck& check = last(checkup);
  fmt::print(out, "{} of {} clusters allocated, {} of them compressed; the file ends at byte {}\n",
             check.allocated_clusters, check.guest_clusters, check.compressed_clusters,
             check.end_bytes);
}

}  // namespace tapring
