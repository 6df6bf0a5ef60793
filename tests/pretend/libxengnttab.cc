// SPDX-License-Identifier: MIT
// A libxengnttab.so.1 for processes of domain 0 on a pretend Xen. What is here is what tapringd and
// xenstored call, and behaves as tools/libs/gnttab over Linux does.
#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>

#include "tests/pretend/grants.h"

using tapring::Error;
using tapring::Result;

struct xengntdev_handle {
  tapring::pretend::Grants grants{tapring::pretend::Machine::of_environment(), 0};
};

namespace {

int result_of(const Error& error) {
  if (error) errno = error.value();
  return error ? -1 : 0;
}

}  // namespace

xengnttab_handle* xengnttab_open(xentoollog_logger*, unsigned) {
  try {
    return std::make_unique<xengnttab_handle>().release();
  } catch (const std::system_error& error) {
    errno = error.code().value();
    return nullptr;
  }
}

int xengnttab_close(xengnttab_handle* handle) {
  delete handle;
  return 0;
}

int xengnttab_set_max_grants(xengnttab_handle*, uint32_t) {
  return 0;
}

void* xengnttab_map_domain_grant_refs(xengnttab_handle* handle, uint32_t count, uint32_t domain,
                                      uint32_t* refs, int protection) {
  const auto pages = handle->grants.map(static_cast<tapring::DomainId>(domain), {refs, count},
                                        (protection & PROT_WRITE) != 0);
  if (!pages) errno = pages.error().value();
  return pages ? *pages : nullptr;
}

void* xengnttab_map_grant_ref(xengnttab_handle* handle, uint32_t domain, uint32_t ref,
                              int protection) {
  return xengnttab_map_domain_grant_refs(handle, 1, domain, &ref, protection);
}

int xengnttab_unmap(xengnttab_handle* handle, void* start, uint32_t count) {
  return result_of(handle->grants.unmap(static_cast<std::byte*>(start), count));
}

int xengnttab_grant_copy(xengnttab_handle* handle, uint32_t count,
                         xengnttab_grant_copy_segment_t* segments) {
  return result_of(handle->grants.copy({segments, count}));
}

// What follows is there because xenstored's libxenctrl is linked with it. Nobody calls it here.

namespace {

std::nullptr_t not_here() {
  errno = ENOSYS;
  return nullptr;
}

}  // namespace

void* xengnttab_map_grant_refs(xengnttab_handle*, uint32_t, uint32_t*, uint32_t*, int) {
  return not_here();
}

void* xengnttab_map_grant_ref_notify(xengnttab_handle*, uint32_t, uint32_t, int, uint32_t,
                                     evtchn_port_t) {
  return not_here();
}

xengntshr_handle* xengntshr_open(xentoollog_logger*, unsigned) {
  return not_here();
}

int xengntshr_close(xengntshr_handle*) {
  return 0;
}

void* xengntshr_share_pages(xengntshr_handle*, uint32_t, int, uint32_t*, int) {
  return not_here();
}

void* xengntshr_share_page_notify(xengntshr_handle*, uint32_t, uint32_t*, int, uint32_t,
                                  evtchn_port_t) {
  return not_here();
}

int xengntshr_unshare(xengntshr_handle*, void*, uint32_t) {
  return 0;
}
