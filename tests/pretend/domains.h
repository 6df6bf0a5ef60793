// SPDX-License-Identifier: MIT
// Domains come and go.
#pragma once

#include "tests/pretend/machine.h"

namespace tapring::pretend {

/// With its memory, and the page and port over which it reaches xenstore. Throws std::system_error:
/// EEXIST for a number that was used before.
void create_domain(Machine& machine, DomainId domain);

/// Its ports are closed; who mapped its memory keeps that. Xenstored is told.
void destroy_domain(Machine& machine, DomainId domain);

/// Pages of the domain, side by side, for this process. Throws std::system_error: ENOMEM.
uint32_t take_region(Machine& machine, DomainId domain, uint32_t pages);

void give_back_region(Machine& machine, DomainId domain, uint32_t first_page);

}  // namespace tapring::pretend
