// SPDX-License-Identifier: MIT
// A request on the control socket of any bytes.
#include "daemon/control/control_command.h"

#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/daemon/control/fake_reporter.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_default_logger(spdlog::null_logger_mt("nobody"));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view request(reinterpret_cast<const char*>(data), size);
  tapring::FakeReporter reporter;
  reporter.set({tapring::connected_disk(0), tapring::refused_disk(7)});
  const std::string answer = tapring::answer_control(request, reporter);
  // The protocol is one object a line.
  assert(answer.find('\n') == std::string::npos);
  const boost::json::object object = boost::json::parse(answer).as_object();
  if (!object.at("ok").as_bool()) assert(!object.at("error").as_string().empty());
  return 0;
}
