# SPDX-License-Identifier: MIT
# What halves the time of a sanitized build.
#
# The headers of libraries that many files include are parsed once.
#
# And a fuzzer needs to know which way the product's code went, not the tests'; the names of their
# variables are seldom missed in a debugger.

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

# quicken(FOLDER OWNER FLAG...): targets of that folder and below that link build_flags get these
# flags, and the headers that one of them, OWNER, has precompiled.
function(quicken folder owner)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(libraries ${target} LINK_LIBRARIES)
    if(NOT "build_flags" IN_LIST libraries)
      continue()
    endif()
    target_compile_options(${target} PRIVATE ${ARGN})
    if(target STREQUAL owner)
      target_precompile_headers(${owner} PRIVATE
        <algorithm> <array> <atomic> <chrono> <coroutine> <deque> <expected> <filesystem> <fstream>
        <functional> <future> <iostream> <map> <memory> <mutex> <optional> <random> <regex> <set>
        <span> <sstream> <string> <system_error> <thread> <unordered_map> <variant> <vector>
        <boost/asio.hpp> <boost/json.hpp>
        <fmt/chrono.h> <fmt/format.h> <fmt/ostream.h> <fmt/ranges.h> <spdlog/spdlog.h>
        <gmock/gmock.h> <gtest/gtest.h> <liburing.h>)
    else()
      target_precompile_headers(${target} REUSE_FROM ${owner})
    endif()
  endforeach()
  get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(inner ${folders})
    quicken(${inner} ${owner} ${ARGN})
  endforeach()
endfunction()

foreach(folder ring formats daemon)
  quicken(${PROJECT_SOURCE_DIR}/${folder} ring)
endforeach()
quicken(${PROJECT_SOURCE_DIR}/tests sim -fno-sanitize=fuzzer-no-link -gline-tables-only)
