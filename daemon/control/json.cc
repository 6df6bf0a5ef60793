// SPDX-License-Identifier: MIT
// The compiled part of Boost.JSON, which is used header-only: in exactly one place.
#include <boost/json/src.hpp>
