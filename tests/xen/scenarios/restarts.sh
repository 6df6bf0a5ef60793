#!/bin/bash
# SPDX-License-Identifier: MIT
# The service is killed, restarted and upgraded below a PV guest and two disks of dom0, one of them
# qcow2, that work on and check all they read: no error, nothing lost, and the longest that anybody
# waited.
#
# variant: systemd
# control: no
# seconds: 900

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly kills=${TAPRING_TIMES:-5}
readonly restarts=$(((kills + 4) / 5)) upgrades=$(((kills + 19) / 20))

first=$(image first 32)
second=$(image second 32)
readonly third=$images/third.img

main_pid() {
    systemctl show --property MainPID --value tapringd
}

runs_anew() { # OLD_PID
    local now
    now=$(main_pid)
    [[ $now != 0 && $now != "$1" ]]
}

serves_all() {
    is_in_state 0/xvda connected && is_in_state 0/xvdb connected &&
        is_in_state "$domain/xvda" connected
}

expect_progress_of_all() {
    expect_progress
    expect_progress /tmp/load-qcow2
}

step "attach"
systemctl start tapringd
wait_for 60 "the service of the installed package" tapring list
attach_dom0 "tap:aio:$first,xvda,w" xvda
qemu-img create -q -f qcow2 "$third" 32M
attach_dom0 "script=block-tapring,vdev=xvdb,access=rw,target=qcow2:$third" xvdb
guest_boot anthony "tap:aio:$second,xvda,w"
guest_run anthony disk 30 'until [ -b /dev/xvda ]; do sleep 0.2; done'
domain=$(xl domid anthony)
wait_for 20 "all disks" serves_all
guest_run anthony load 10 "$(load /dev/xvda)"
bash -c "$(load /dev/xvda)"
bash -c "$(load /dev/xvdb /tmp/load-qcow2)"

step "killed $kills times"
for ((i = 0; i < kills; i++)); do
    # Else it may die again before it has begun.
    ((i % 4 == 3)) || wait_for 60 "all disks" serves_all
    daemon=$(main_pid)
    nap_at_random 1500
    kill -KILL "$daemon"
    wait_for 30 "its restart" runs_anew "$daemon"
    daemon=
done
wait_for 60 "all disks" serves_all
expect_progress_of_all

step "restarted $restarts times"
for ((i = 0; i < restarts; i++)); do
    nap_at_random 1000
    systemctl restart tapringd
done
wait_for 60 "all disks" serves_all
expect_progress_of_all

step "upgraded $upgrades times, and back"
for ((i = 0; i < upgrades; i++)); do
    dpkg --install /host/other/*.deb >/dev/null 2>&1
    nap_at_random 1000
    dpkg --install /host/tapring/*.deb >/dev/null 2>&1
done
wait_for 60 "all disks" serves_all
expect_progress_of_all

step "the end of the load in dom0"
bash -c "$(end_of_load)" || die "the load in dom0 failed"
bash -c "$(end_of_load /tmp/load-qcow2)" || die "the load on qcow2 failed"
step "the end of the load in the guest"
guest_run anthony end 120 "$(end_of_load)"
grep -a 'fio ran' "$console_logs/guest-anthony.log"
errors=$(journalctl --boot --identifier tapringd --priority err --quiet --no-pager)
[[ -z $errors ]] || die "the log has errors: $errors"

step "detach"
detach xvda
expect_released "$first"
detach xvdb
expect_released "$third"
code=0
qemu-img check -q -f qcow2 "$third" >/tmp/check.log 2>&1 || code=$?
readonly leaks=3  # at most, of who was killed
((code == 0 || code == leaks)) || { cat /tmp/check.log; die "qemu-img check finds faults"; }
tapring image check --repair leaks "$third"
qemu-img check -q -f qcow2 "$third" || die "leaks are left"
guest_start anthony off 'sync; poweroff -f'
wait_for 40 "anthony to be gone" guest_is_gone anthony
wait_for 10 "the last disk to be forgotten" lists_nothing
expect_released "$second"
systemctl stop tapringd
