#!/bin/bash
# SPDX-License-Identifier: MIT
# Thirty attachments, each with one write and one read: the daemon's descriptors and threads are
# as many after the last as after the first, and its resident memory grows by less than
# 1 MiB after the tenth (by then allocator and buffer pools have seen everything a cycle needs;
# a leak of a single ring page and its bounce buffers a cycle would be some 2 MiB).
#
# Most cycles go through block-tapring: Debian's own block script takes 5 s here, being some
# forty programs. Every tenth is the plain line.
#
# seconds: 400

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly cycles=30 warm=10 growth_kib=1024
cycle_image=$(image cycle 32)
random_file /tmp/reference 1

line() { # CYCLE
    if is_kernel || (($1 % 10 == 1)); then
        echo "tap:aio:$cycle_image,xvda,w"
    else
        echo "script=block-tapring,vdev=xvda,access=rw,target=aio:$cycle_image"
    fi
}

one_cycle() { # NUMBER
    attach_dom0 "$(line "$1")" xvda
    dd if=/tmp/reference of=/dev/xvda bs=128k oflag=direct seek="$(($1 * 4))" status=none
    dd if=/dev/xvda of=/tmp/back bs=128k iflag=direct skip="$(($1 * 4))" count=8 status=none
    cmp /tmp/reference /tmp/back
    detach xvda
}

measure() { # TEXT
    is_kernel && return
    fds=$(daemon_count fd) threads=$(daemon_count threads) rss=$(daemon_count rss)
    step "$1: $fds descriptors, $threads threads, $rss KiB resident"
}

daemon_start
for ((cycle = 1; cycle <= cycles; cycle++)); do
    one_cycle "$cycle"
    ((cycle == 1)) && { measure "first"; first_fds=${fds:-} first_threads=${threads:-}; }
    ((cycle == warm)) && { measure "cycle $warm"; warm_rss=${rss:-}; }
done
expect_released "$cycle_image"
expect_idle
measure "last"
if ! is_kernel; then
    ((fds == first_fds)) || die "descriptors went from $first_fds to $fds"
    ((threads == first_threads)) || die "threads went from $first_threads to $threads"
    ((rss - warm_rss < growth_kib)) || die "memory went from $warm_rss to $rss KiB"
fi
daemon_stop
