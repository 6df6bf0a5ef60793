// SPDX-License-Identifier: MIT
#include "tests/formats/recorded_file.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "ring/sizes.h"

namespace tapring {
namespace {


std::string text_of(Buffers buffers) {
  std::string text;
  for (const iovec& buffer : buffers) {
    text.append(static_cast<const char*>(buffer.iov_base), buffer.iov_len);
  }
  return text;
}

class RecordedFile final : public File {
 public:
  RecordedFile(std::unique_ptr<File> file, WriteLog& log) : file_(std::move(file)), log_(log) {}

  Task<Error> read(uint64_t offset, Buffers into) override { return file_->read(offset, into); }

  Task<Error> write(uint64_t offset, Buffers from) override {
    const std::size_t event = log_.begin_write(offset, text_of(from));
    const Error error = co_await file_->write(offset, from);
    if (!error) log_.ended(event);
    co_return error;
  }

  Task<Error> sync() override {
    const std::size_t event = log_.begin_sync();
    const Error error = co_await file_->sync();
    if (!error) log_.ended(event);
    co_return error;
  }

  Task<Error> discard(uint64_t offset, uint64_t bytes) override {
    const std::size_t event = log_.begin_write(offset, std::string(bytes, '\0'));
    const Error error = co_await file_->discard(offset, bytes);
    if (!error) log_.ended(event);
    co_return error;
  }

  Task<Error> secure_erase(uint64_t offset, uint64_t bytes) override {
    return file_->secure_erase(offset, bytes);
  }
  Task<Result<uint64_t>> size() override { return file_->size(); }
  Task<Error> close() override { return file_->close(); }

 private:
  std::unique_ptr<File> file_;
  WriteLog& log_;
};

}  // namespace

std::size_t WriteLog::begin_write(uint64_t offset, std::string data) {
  events_.push_back({false, offset, std::move(data), ++now_});
  return events_.size() - 1;
}

std::size_t WriteLog::begin_sync() {
  events_.push_back({true, 0, {}, ++now_});
  return events_.size() - 1;
}

void WriteLog::ended(std::size_t event) { events_[event].ended = ++now_; }

void WriteLog::replay(const std::filesystem::path& path, uint64_t moment,
                      sim::Random& random) const {
  uint64_t durable = 0;  // what ended before is
  for (const Event& event : events_) {
    if (event.sync && event.ended <= moment) durable = std::max(durable, event.begun);
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  for (const Event& event : events_) {
    if (event.sync || event.begun > moment) continue;
    const bool all = event.ended < durable;
    for (uint64_t at = 0; at < event.data.size(); at += kSectorBytes) {
      if (!all && random.chance(0.5)) continue;
      file.seekp(static_cast<std::streamoff>(event.offset + at));
      file << event.data.substr(at, kSectorBytes);
    }
  }
}

std::unique_ptr<File> recorded(std::unique_ptr<File> file, WriteLog& log) {
  return std::make_unique<RecordedFile>(std::move(file), log);
}

}  // namespace tapring
