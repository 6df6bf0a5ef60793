// SPDX-License-Identifier: MIT
#include "tests/formats/cut_images.h"

#include <fstream>

#include "tests/formats/drawn_image.h"
#include "tests/formats/qcow/qcow_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

constexpr uint64_t kMostBytes = uint64_t{400} << 10;

}  // namespace

CutImage::CutImage(const std::filesystem::path& directory, const std::string& format,
                   unsigned number, sim::Random& random)
    : directory_(directory), made_(directory / "made"), format_(format) {
  std::filesystem::create_directories(directory_);
  std::filesystem::create_directories(made_);
  if (format_ == "qcow") {
    make_qcow1(number, random);
  } else if (format_ == "raw") {
    make_raw(number, random);
  } else {
    make_qcow2(number, random);
  }
  content_ = content_by_qemu(directory_ / path_.filename(), "", format_);
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    if (entry.is_regular_file()) std::filesystem::copy(entry.path(), made_);
  }
}

void CutImage::make_qcow2(unsigned number, sim::Random& random) {
  std::vector<Shape> shapes = draw_chain(number, random);
  if (shapes.size() > 2) shapes.erase(shapes.begin(), shapes.end() - 2);
  shapes.back().data_file_raw = false;
  const DrawnImage image = make_chain(directory_, shapes, random, kMostBytes);
  path_ = directory_ / image.path.filename();
  text_ = image.text;
  for (const std::string& snapshot : image.snapshots) {
    snapshots_[snapshot] = content_by_qemu(path_, "-l snapshot.name=" + snapshot);
  }
}

void CutImage::make_raw(unsigned number, sim::Random& random) {
  Shape shape;
  shape.raw = true;
  path_ = directory_ / "image";
  text_ = shape.text();
  const uint64_t bytes = kMostBytes - number % 8 * 512;
  run_command("truncate -s " + std::to_string(bytes) + ' ' + shell_quoted(path_.string()));
  write_by_qemu(path_, shape, bytes, 6, random, "raw");
}

void CutImage::make_qcow1(unsigned number, sim::Random& random) {
  QcowShape shape;
  shape.cluster_bits = 9 + number % 8;
  shape.l2_bits = 6 + static_cast<unsigned>(random.below(4));
  shape.size_bytes = kMostBytes - random.below(3) * 512;
  shape.by_blktap = random.chance(0.5);
  shape.first_table_filled = random.chance(0.2);
  const auto written = [&](const std::filesystem::path& path, bool raw) {
    Shape as_drawn;
    as_drawn.raw = raw;
    as_drawn.cluster_bits = shape.cluster_bits;
    write_by_qemu(path, as_drawn, shape.size_bytes, 6, random, raw ? "raw" : "qcow");
  };
  if (random.chance(0.4)) {
    shape.backing_name = "base";
    shape.first_table_filled = false;
    const std::filesystem::path base = directory_ / "base";
    run_command("truncate -s " + std::to_string(shape.size_bytes) + ' ' +
                shell_quoted(base.string()));
    written(base, true);
    backing_formats_ = {"raw"};
  }
  make_qcow(directory_ / "image", shape);
  // Into a part of a cluster that a backing file has, QEMU does not copy the rest.
  if (shape.backing_name.empty()) written(directory_ / "image", false);
  path_ = directory_ / "image";
  text_ = shape.text();
}

void CutImage::restore() const {
  for (const auto& entry : std::filesystem::directory_iterator(made_)) {
    std::filesystem::copy_file(entry.path(), directory_ / entry.path().filename(),
                               std::filesystem::copy_options::overwrite_existing);
  }
}

std::string CutImage::spoiled() const {
  for (const auto& entry : std::filesystem::directory_iterator(made_)) {
    const std::string name = entry.path().filename();
    if (name == path_.filename() || name == path_.filename().string() + ".data") continue;
    if (bytes_of_file(entry.path()) != bytes_of_file(directory_ / name)) return name + " changed";
  }
  for (const auto& [snapshot, content] : snapshots_) {
    ImageOptions options;
    options.path = path_.string() + '@' + snapshot;
    options.read_only = true;
    ServedImage image(1, format_, options);
    const Result<std::string> now = image.content();
    image.close();
    if (!now) return "snapshot " + snapshot + ": " + now.error().message();
    if (*now != content) return "snapshot " + snapshot + " changed";
  }
  return {};
}

void mark_unclean(const std::filesystem::path& path) {
  constexpr std::streamoff kLastOfVersion = 7;
  constexpr std::streamoff kLastOfIncompatible = 79;
  constexpr char kDirty = 1;
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(0);
  if (file.get() != 'Q') return;
  file.seekg(kLastOfVersion);
  if (file.get() != 3) return;
  file.seekg(kLastOfIncompatible);
  const auto features = static_cast<char>(file.get());
  file.seekp(kLastOfIncompatible);
  file.put(static_cast<char>(features | kDirty));
}

}  // namespace tapring
