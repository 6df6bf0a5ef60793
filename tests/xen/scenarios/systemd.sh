#!/bin/bash
# SPDX-License-Identifier: MIT
# Our package on a Debian with systemd. It was installed before this system first booted, as an
# installer would do it, and is installed once more here, over the running service.
#
# variant: systemd
# control: no
# boot: own
# seconds: 300

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

disk=$(image disk 32)
random_file /tmp/reference 2

main_pid() {
    systemctl show --property MainPID --value tapringd
}

is_serving() {
    [[ $(systemctl is-active tapringd) == active ]] && tapring list
}

runs_anew() { # OLD_PID
    is_serving && [[ $(main_pid) != "$1" ]]
}

round() { # LINE
    attach_dom0 "$1" xvda
    expect_served 0/xvda "$disk"
    dd if=/tmp/reference of=/dev/xvda bs=256k oflag=direct conv=fsync status=none
    expect_same /tmp/reference /dev/xvda
    detach xvda
    expect_released "$disk"
    expect_same /tmp/reference "$disk"
}

step "started at boot"
wait_for 60 "the service of the installed package" is_serving
systemctl status tapringd --no-pager --lines 5 || true
expect "it starts at boot" test "$(systemctl is-enabled tapringd)" = enabled
expect "xen-blkback was loaded for it" test -d /sys/bus/xen-backend/drivers/vbd
daemon=$(main_pid)
round "tap:aio:$disk,xvda,w"
round "script=block-tapring,vdev=xvda,access=rw,target=aio:$disk"
expect_idle

step "installed over the running service"
dpkg --install /host/tapring/*.deb
wait_for 60 "the new service" runs_anew "$daemon"
daemon=$(main_pid)

step "kill -9, and a worker on a CPU of its own from then on"
echo 'worker_cpus = ["1"]' >>/etc/tapring/tapringd.toml
kill -KILL "$daemon"
wait_for 30 "its restart" runs_anew "$daemon"
expect "systemd counted one restart" \
    test "$(systemctl show --property NRestarts --value tapringd)" = 1
daemon=$(main_pid)
expect "a thread runs on CPU 1 only" \
    grep -q $'^Cpus_allowed_list:\t1$' "/proc/$daemon/task"/*/status
round "tap:aio:$disk,xvda,w"

step "restart of Xen's daemons"
systemctl restart xen
expect "the service was left alone" test "$(main_pid)" = "$daemon"
wait_for 20 "xenstore" xenstore-exists /local/domain/0
round "tap:aio:$disk,xvda,w"
expect_idle

step "exposure"
systemd-analyze security tapringd --no-pager | tail -1
systemctl stop tapringd
daemon=
