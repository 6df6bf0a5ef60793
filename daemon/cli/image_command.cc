// SPDX-License-Identifier: MIT
#include "daemon/cli/image_command.h"

#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <boost/json.hpp>
#include <map>
#include <ostream>
#include <utility>

#include "daemon/cli/byte_size.h"
#include "daemon/cli/exit_code.h"
#include "daemon/cli/failure.h"
#include "daemon/cli/image_check.h"
#include "daemon/cli/image_info.h"
#include "daemon/cli/image_map.h"
#include "daemon/cli/image_path.h"
#include "daemon/control/json_text.h"
#include "formats/printable.h"

namespace tapring {
namespace {

namespace json = boost::json;

int info(const ImageRequest& request, const Streams& streams) {
  ImageChain chain;
  if (request.chain) {
    chain = image_chain(request.path, request.format, request.backing_formats);
  } else {
    chain.images.push_back(image_info(request.path, request.format));
  }
  if (request.json) {
    json::array images;
    for (const ImageInfo& image : chain.images) images.push_back(to_json(image));
    const json::object answer{
        {"ok", chain.problem.empty()}, {"error", chain.problem}, {"images", std::move(images)}};
    streams.out << json_text(answer) << "\n";
  } else {
    const char* between = "";
    for (const ImageInfo& image : chain.images) {
      streams.out << between;
      print(image, streams.out);
      between = "\n";
    }
  }
  if (chain.problem.empty()) return kDone;
  print_problem(streams.err, chain.problem);
  return kFailed;
}

int check(const ImageRequest& request, const Streams& streams) {
  std::optional<Repair> repair;
  if (request.repair == "leaks") repair = Repair::leaks;
  if (request.repair == "all") repair = Repair::all;
  const CheckResult result = check_image(request.path, repair, streams.terminal);
  if (request.json) {
    streams.out << json_text(to_json(result)) << "\n";
  } else {
    print(result, streams.out);
  }
  return exit_code_of(result);
}

/// Prints each extent when it is found, as all of them might not fit in memory, and after the last
/// one whether the map is complete.
int map_to_json(const ImageRequest& request, const Streams& streams) {
  const char* before = "";
  std::string problem;
  const auto print_extent = [&](const MappedExtent& extent) {
    json::object object{{"start", extent.start},
                        {"bytes", extent.bytes},
                        {"depth", extent.depth},
                        {"kind", extent.kind}};
    if (extent.offset) object["offset"] = *extent.offset;
    streams.out << before << json_text(std::move(object));
    before = ",";
  };
  streams.out << R"({"extents":[)";
  try {
    map_image(request.path, request.format, request.chain, request.backing_formats, print_extent);
  } catch (const std::exception& error) {
    problem = reason_of(error);
  }
  fmt::print(streams.out, R"(],"ok":{},"error":{}}})", problem.empty(),
             json_text(json::value(problem)));
  streams.out << "\n";
  if (problem.empty()) return kDone;
  print_problem(streams.err, problem);
  return kFailed;
}

int map(const ImageRequest& request, const Streams& streams) {
  if (request.json) return map_to_json(request, streams);
  bool has_head = false;
  const auto print_line = [&](const MappedExtent& extent) {
    if (!std::exchange(has_head, true)) {
      fmt::print(streams.out, "{:>15} {:>15} {:>5}  {:<11} {}\n", "START", "BYTES", "DEPTH", "KIND",
                 "OFFSET");
    }
    fmt::print(streams.out, "{:>15} {:>15} {:>5}  {:<11} {}\n", extent.start, extent.bytes,
               extent.depth, extent.kind,
               extent.offset ? fmt::format("{}", *extent.offset) : std::string("-"));
  };
  map_image(request.path, request.format, request.chain, request.backing_formats, print_line);
  return kDone;
}

int create(const ImageRequest& request, const Streams& streams) {
  CreateOptions create_options = request.create_options;
  create_options.path = request.path;
  create_options.format = request.format;
  const std::vector<std::string> notices = create_image(create_options, streams.terminal);
  if (request.json) {
    streams.out << json_text({{"ok", true}, {"notices", json::value_from(notices)}}) << "\n";
  }
  for (const std::string& notice : notices) print_problem(streams.err, notice);
  return kDone;
}

[[noreturn]] void misfit(const char* option, const std::string& text, const char* expected) {
  throw CLI::ValidationError(fmt::format("{} {}: must be {}", option, text, expected));
}

using Words = std::vector<std::string>;

/// `example`: how the option is to be typed, where what is there instead may be the next argument.
CLI::Validator one_of(const Words& words, const char* example = "") {
  const auto check = [words, example](const std::string& text) {
    if (std::ranges::find(words, text) != words.end()) return std::string();
    return fmt::format("{} is not {}{}", escaped(text), fmt::join(words, " or "), example);
  };
  return {check, ""};
}

void declare_create(CLI::App& create, ImageRequest& request) {
  CreateOptions& create_options = request.create_options;
  create.add_option("--format", request.format, "qcow2 or raw")
      ->type_name("FORMAT")
      ->required()
      ->check(one_of({"qcow2", "raw"}));
  const auto bytes = [&create](const char* name, uint64_t& value, const char* help,
                               bool (*fits)(uint64_t size), const char* expected) {
    const auto take = [name, &value, fits, expected](const std::string& text) {
      const auto size = parse_byte_size(text);
      if (!size || !fits(*size)) misfit(name, text, expected);
      value = *size;
    };
    create.add_option_function<std::string>(name, take, help)->type_name("BYTES");
  };
  bytes(
      "--size", create_options.size_bytes, "of the disk: 10G; by default the backing file's",
      [](uint64_t size) { return size > 0 && size < uint64_t{INT64_MAX} - 511; },
      "a size of less than 8E, and not 0, as 512M or 1.5G");
  bytes(
      "--cluster-size", create_options.cluster_bytes, "512 to 2M; by default 64K",
      [](uint64_t size) { return std::has_single_bit(size) && size >= 512 && size <= 2 << 20; },
      "a power of 2 from 512 to 2M");
  const auto word = [&create](const char* name, auto& value, const char* help,
                              const char* type = "") {
    return create.add_option(name, value, help)->type_name(type);
  };
  word("--backing", create_options.backing, "the image below, as it is to be named", "FILE");
  word("--backing-format", create_options.backing_format, "its format, which must be stated",
       "FORMAT");
  word("--data-file", create_options.data_file, "where the data are to be, as it is to be named",
       "FILE");
  create.add_flag("--data-file-raw", create_options.data_file_raw,
                  "the data file is a raw image as well");
  word("--refcount-bits", create_options.refcount_bits, "1 to 64; by default 16", "N");
  word("--compression", create_options.compression, "zlib, which is the default, or zstd", "TYPE")
      ->check(one_of({"zlib", "zstd"}));
  // As QEMU calls them, too.
  const std::map<std::string, uint32_t> versions{{"3", 3}, {"1.1", 3}, {"2", 2}, {"0.10", 2}};
  const auto take_version = [&create_options, versions](const std::string& text) {
    const auto version = versions.find(text);
    if (version == versions.end()) misfit("--compat", text, "3 (or 1.1), or 2 (or 0.10)");
    create_options.version = version->second;
  };
  create
      .add_option_function<std::string>("--compat", take_version,
                                        "version of qcow2: 3, which is the default, or 2")
      ->type_name("N");
  create.add_flag("--extended-l2", create_options.extended_l2, "subclusters");
  create.add_flag("--lazy-refcounts", create_options.lazy_refcounts, "for QEMU");
  word("--preallocate", create_options.preallocate, "off, metadata or falloc", "WHAT")
      ->check(one_of({"off", "metadata", "falloc"}));
  create.add_flag("--force", create_options.force, "overwrite a file that is there");
}

struct ImageCommand {
  const char* name;
  const char* help;
  int (*run)(const ImageRequest& request, const Streams& streams);
};

constexpr ImageCommand kImageCommands[] = {
    {"info", "show what an image says of itself, and who uses it", info},
    {"create", "make a new image", create},
    {"check", "look for what is wrong with a qcow2 image, and repair it", check},
    {"map", "show where the bytes of a disk are", map},
};

}  // namespace

void declare_image(CLI::App& app, ImageRequest& request) {
  request.app = app.add_subcommand("image", "look at an image, check or repair it");
  request.app->require_subcommand(1);
  for (const ImageCommand& command : kImageCommands) {
    CLI::App* sub = request.app->add_subcommand(command.name, command.help);
    sub->add_flag("--json", request.json, "print JSON, on one line");
    sub->add_option("IMAGE", request.path, "path of the image")
        ->type_name("")
        ->check(CLI::Validator(
            [](const std::string& text) {
              return std::string(text.empty() ? "it is empty; name an image's file" : "");
            },
            ""))
        ->required();
  }
  for (const char* name : {"info", "map"}) {
    CLI::App* sub = request.app->get_subcommand(name);
    sub->add_option("--format", request.format, "raw, qcow2, ...; by default as its bytes say")
        ->type_name("FORMAT");
    CLI::Option* chain = sub->add_flag("--chain", request.chain, "its backing files too");
    sub->add_option("--backing-format", request.backing_formats,
                    "of a qcow image's backing file, which it cannot state; once for each")
        ->type_name("FORMAT")
        ->expected(1)
        ->take_all()
        ->needs(chain);
  }
  declare_create(*request.app->get_subcommand("create"), request);
  request.app->get_subcommand("check")
      ->add_option("--repair", request.repair, "leaks, or all: repair that")
      ->type_name("WHAT")
      ->check(one_of({"leaks", "all"}, ", as in --repair all IMAGE"));
}

int run_image(const ImageRequest& request, const Streams& streams) {
  const std::string name = request.app->get_subcommands().front()->get_name();
  try {
    check_is_path(request.path);
    return std::ranges::find(kImageCommands, name, &ImageCommand::name)->run(request, streams);
  } catch (const std::exception& error) {
    print_failure(streams, request.json, reason_of(error));
    return kFailed;
  }
}

}  // namespace tapring
