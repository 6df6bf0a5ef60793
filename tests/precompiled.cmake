# SPDX-License-Identifier: MIT
# The headers of libraries that many files include, parsed once a build: more than a third of a
# sanitized build's time. The release build goes without, so that it misses an #include that a file
# forgot.

find_package(GTest REQUIRED)
# All users of one precompiled header define the same macros.
foreach(library fmt::fmt spdlog::spdlog GTest::gtest)
  foreach(kind DEFINITIONS OPTIONS)
    get_target_property(flags ${library} INTERFACE_COMPILE_${kind})
    if(flags)
      set_property(TARGET build_flags APPEND PROPERTY INTERFACE_COMPILE_${kind} ${flags})
    endif()
  endforeach()
endforeach()

target_precompile_headers(ring PRIVATE
  <algorithm> <array> <atomic> <chrono> <coroutine> <deque> <expected> <filesystem> <fstream>
  <functional> <future> <iostream> <map> <memory> <mutex> <optional> <random> <regex> <set> <span>
  <sstream> <string> <system_error> <thread> <unordered_map> <variant> <vector>
  <boost/asio.hpp> <boost/json.hpp>
  <fmt/chrono.h> <fmt/format.h> <fmt/ostream.h> <fmt/ranges.h> <spdlog/spdlog.h>
  <gmock/gmock.h> <gtest/gtest.h> <liburing.h>)

# use_precompiled_headers(FOLDER): for the targets of that folder and below that link build_flags.
function(use_precompiled_headers folder)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(libraries ${target} LINK_LIBRARIES)
    if(NOT target STREQUAL ring AND "build_flags" IN_LIST libraries)
      target_precompile_headers(${target} REUSE_FROM ring)
    endif()
  endforeach()
  get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(inner ${folders})
    use_precompiled_headers(${inner})
  endforeach()
endfunction()
use_precompiled_headers(${PROJECT_SOURCE_DIR})
