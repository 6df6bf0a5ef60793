// SPDX-License-Identifier: MIT
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace tapring::sim {

/// Keeps the daemon's log lines for as long as it lives, instead of printing them.
class LogLines {
 public:
  LogLines() : before_(spdlog::default_logger()), level_(spdlog::get_level()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("lines", std::make_shared<Sink>(lines_)));
    spdlog::set_level(spdlog::level::info);
  }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;
  ~LogLines() {
    spdlog::set_default_logger(before_);
    spdlog::set_level(level_);
  }

  std::size_t count() const noexcept { return lines_.size(); }
  std::size_t count_with(const std::string& words) const {
    return static_cast<std::size_t>(std::ranges::count_if(lines_, [&](const std::string& line) {
      return line.find(words) != std::string::npos;
    }));
  }

 private:
  class Sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
   public:
    explicit Sink(std::vector<std::string>& lines) : lines_(lines) {}

   private:
    void sink_it_(const spdlog::details::log_msg& message) override {
      lines_.emplace_back(message.payload.data(), message.payload.size());
    }
    void flush_() override {}

    std::vector<std::string>& lines_;
  };

  std::shared_ptr<spdlog::logger> before_;
  spdlog::level::level_enum level_;
  std::vector<std::string> lines_;
};

}  // namespace tapring::sim
