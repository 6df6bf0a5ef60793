// SPDX-License-Identifier: MIT
#include "tests/formats/drawn_image.h"

#include <algorithm>
#include <fstream>

#include "ring/sizes.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

constexpr unsigned kClusterSizes = 13;  // 512 bytes to 2 MiB

bool flip(sim::Random& random) {
  return random.below(2) == 0;
}

Shape draw_shape(unsigned number, sim::Random& random) {
  Shape shape;
  shape.cluster_bits = 9 + number % kClusterSizes;
  shape.version = number / kClusterSizes % 3 == 0 ? 2 : 3;
  if (shape.version == 2) return shape;
  shape.refcount_bits = 1U << (number % 7);
  shape.extended_l2 = shape.cluster_bits >= 14 && number / kClusterSizes % 3 == 1;
  shape.lazy_refcounts = flip(random);
  shape.zstd = flip(random);
  shape.data_file = random.below(6) == 0;
  return shape;
}

uint64_t disk_bytes(const Shape& shape, uint64_t most_bytes, sim::Random& random) {
  const uint64_t clusters = shape.cluster_bits < 13 ? 1000 : shape.cluster_bits < 18 ? 40 : 6;
  const uint64_t bytes = std::min(clusters << shape.cluster_bits, most_bytes);
  return bytes - random.below(3) * 3 * kSectorBytes;
}

std::string options_of(const Shape& shape, const std::string& data_file) {
  std::string text = "compat=" + std::string(shape.version == 2 ? "0.10" : "1.1") +
                     ",cluster_size=" + std::to_string(1U << shape.cluster_bits);
  if (shape.version == 2) return text;
  text += ",refcount_bits=" + std::to_string(shape.refcount_bits) +
          ",extended_l2=" + (shape.extended_l2 ? "on" : "off") +
          ",lazy_refcounts=" + (shape.lazy_refcounts ? "on" : "off") +
          ",compression_type=" + (shape.zstd ? "zstd" : "zlib");
  if (shape.data_file) {
    text += ",data_file=" + data_file + ",data_file_raw=" + (shape.data_file_raw ? "on" : "off");
  }
  return text;
}

/// One qemu-io command, somewhere.
std::string draw_write(const Shape& shape, uint64_t bytes, const std::string& pattern,
                       sim::Random& random) {
  const uint64_t cluster = shape.raw ? 65536 : uint64_t{1} << shape.cluster_bits;
  const unsigned kind = static_cast<unsigned>(random.below(8));
  const bool compressed = kind < 2 && !shape.raw && !shape.data_file;
  const uint64_t unit = compressed || kind == 2 ? cluster : uint64_t{kSectorBytes};
  const uint64_t units = bytes / unit;
  if (units == 0) return {};
  const uint64_t begin = random.below(units);
  const uint64_t many = 4 * std::max<uint64_t>(cluster, 64 * kSectorBytes) / unit;
  const uint64_t most = std::min(units - begin, compressed ? 1 : many);
  const std::string range =
      std::to_string(begin * unit) + ' ' + std::to_string(random.between(1, most) * unit);
  const std::string from = "-s " + pattern + ' ' + range;
  if (compressed) return "write -q -c " + from;
  if (kind == 2) return "discard -q " + range;
  if (kind == 3) return std::string("write -q -z ") + (flip(random) ? "-u " : "") + range;
  return "write -q " + from;
}

void create(const std::filesystem::path& path, const Shape& shape, uint64_t bytes,
            const std::filesystem::path& backing, bool backing_raw) {
  std::string command = "qemu-img create -q -f ";
  command += shape.raw ? std::string("raw ")
                       : "qcow2 -o " + options_of(shape, path.string() + ".data") + ' ';
  if (!backing.empty()) {
    command += "-b " + shell_quoted(backing.filename().string()) +
               (backing_raw ? " -F raw " : " -F qcow2 ");
  }
  run_command(command + shell_quoted(path.string()) + ' ' + std::to_string(bytes));
}

}  // namespace

std::string Shape::text() const {
  return raw ? "raw" : options_of(*this, "DATA") + ",snapshots=" + std::to_string(snapshots);
}

void write_pattern(const std::filesystem::path& path, sim::Random& random) {
  std::ofstream file(path, std::ios::binary);
  const std::string mark = std::to_string(random.below(100000));
  for (uint64_t line = 0; line < 2000; ++line) file << mark << ' ' << line << '\n';
}

void write_by_qemu(const std::filesystem::path& path, const Shape& shape, uint64_t bytes,
                   unsigned writes, sim::Random& random, const std::string& format) {
  const std::filesystem::path pattern = path.string() + ".pattern";
  write_pattern(pattern, random);
  std::string command = "qemu-io -t unsafe -d unmap -f " + format;
  for (unsigned i = 0; i < writes; ++i) {
    const std::string write = draw_write(shape, bytes, pattern.string(), random);
    if (!write.empty()) command += " -c " + shell_quoted(write);
  }
  // QEMU does not compress into a cluster that it has already.
  run_command(command + ' ' + shell_quoted(path.string()) + " || true");
  std::filesystem::remove(pattern);
}

std::vector<Shape> draw_chain(unsigned number, sim::Random& random) {
  std::vector<Shape> shapes;
  const unsigned depth = number % 5;
  for (unsigned level = 0; level < depth; ++level) {
    Shape shape = draw_shape(static_cast<unsigned>(random.below(200)), random);
    shape.raw = level == 0 && flip(random);
    shapes.push_back(shape);
  }
  Shape top = draw_shape(number, random);
  if (depth > 0)
    top.data_file_raw = false;
  else
    top.data_file_raw = flip(random);
  if (!top.data_file && top.refcount_bits > 2)
    top.snapshots = static_cast<unsigned>(random.below(3));
  shapes.push_back(top);
  return shapes;
}

DrawnImage make_chain(const std::filesystem::path& directory, const std::vector<Shape>& shapes,
                      sim::Random& random, uint64_t most_bytes) {
  DrawnImage image;
  const uint64_t bytes = disk_bytes(shapes.back(), most_bytes, random);
  std::filesystem::path below;
  for (std::size_t level = 0; level < shapes.size(); ++level) {
    const Shape& shape = shapes[level];
    image.path = directory / ("level" + std::to_string(level) + (shape.raw ? ".img" : ".qcow2"));
    // Backing files may be smaller or larger.
    uint64_t own = bytes;
    if (level + 1 < shapes.size()) {
      own = bytes / 2 + random.below(bytes / kSectorBytes) * kSectorBytes;
    }
    own = std::max<uint64_t>(own / kSectorBytes * kSectorBytes, kSectorBytes);
    create(image.path, shape, own, below, level > 0 && shapes[level - 1].raw);
    const std::string format = shape.raw ? "raw" : "qcow2";
    write_by_qemu(image.path, shape, own, 12, random, format);
    for (unsigned i = 0; i < shape.snapshots; ++i) {
      image.snapshots.push_back("snap" + std::to_string(i));
      run_command("qemu-img snapshot -c " + image.snapshots.back() + ' ' +
                  shell_quoted(image.path.string()));
      write_by_qemu(image.path, shape, own, 8, random, format);
    }
    // QEMU 7.2 now and then finds a fault of its own and marks an image in which there is none.
    if (!shape.raw)
      run_command("qemu-img check -q -f qcow2 -r all " + shell_quoted(image.path.string()));
    if (level == 0) image.base = image.path;
    image.text += (level == 0 ? "" : " <- ") + shape.text();
    below = image.path;
  }
  return image;
}

}  // namespace tapring
