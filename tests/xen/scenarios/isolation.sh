#!/bin/bash
# SPDX-License-Identifier: MIT
# A worker process for each guest: what happens to one reaches no other. Worker processes and the
# control process are killed and the package is upgraded, below two PV guests
# and dom0 that work on and check all they read.
#
# Not among those that each run has, as it takes minutes.
#
# variant: systemd
# control: no
# seconds: 1200
# named: only

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly kills=${TAPRING_TIMES:-10}
readonly control_kills=$(((kills + 4) / 5)) upgrades=$(((kills + 19) / 20))

first=$(image first 32)
second=$(image second 32)
third=$(image third 32)
rounds=0

main_pid() {
    systemctl show --property MainPID --value tapringd
}

worker_of() { # DOMAIN: the process that serves the guest's disks
    local vm name=domain-$1  # dom0 has no UUID there
    if vm=$(xenstore-read "/local/domain/$1/vm" 2>/dev/null); then name=guest-${vm#/vm/}; fi
    cat "$run_dir/workers/$name.lock"
}

is_another_worker() { # DOMAIN OLD_PID
    local now
    now=$(worker_of "$1")
    [[ -n $now && $now != "$2" && -e /proc/$now/exe ]]
}

serves_all() {
    is_in_state 0/xvda connected && is_in_state "$domain/xvda" connected &&
        is_in_state "$other/xvda" connected
}

runs_anew() { # OLD_PID
    local now
    now=$(main_pid)
    [[ $now != 0 && $now != "$1" ]]
}

expect_progress_of_all() {
    rounds=$((rounds + 1))
    expect_progress /tmp/load
    guest_expect_progress anthony "progress-$rounds"
    guest_expect_progress berta "progress-$rounds"
}

status_of() { # PID KEY
    sed -n "s/^$2:\t//p" "/proc/$1/status"
}

step "attach"
echo 'isolation = "guest"' >>/etc/tapring/tapringd.toml
systemctl restart tapringd
wait_for 60 "the service of the installed package" tapring list
attach_dom0 "tap:aio:$first,xvda,w" xvda
guest_boot anthony "tap:aio:$second,xvda,w"
guest_boot berta "tap:aio:$third,xvda,w"
for guest in anthony berta; do
    guest_run "$guest" disk 30 'until [ -b /dev/xvda ]; do sleep 0.2; done'
done
domain=$(xl domid anthony)
other=$(xl domid berta)
wait_for 20 "all disks" serves_all
expect "three worker processes" test "$(find "$run_dir/workers" -name '*.lock' | wc -l)" = 3

step "the walls around each"
for id in 0 "$domain" "$other"; do
    worker=$(worker_of "$id")
    expect "seccomp is on" test "$(status_of "$worker" Seccomp)" = 2
    expect "no new privileges" test "$(status_of "$worker" NoNewPrivs)" = 1
    expect "no socket but the one to the control process" \
        test "$(find "/proc/$worker/fd" -lname 'socket:*' | wc -l)" -le 4
done
! journalctl --boot --identifier tapringd --quiet --no-pager | grep 'has one wall less' ||
    die "a wall is missing"

step "load"
for guest in anthony berta; do guest_run "$guest" load 10 "$(load /dev/xvda /tmp/load)"; done
bash -c "$(load /dev/xvda /tmp/load)"

step "the worker of one guest killed $kills times"
for ((i = 0; i < kills; i++)); do
    wait_for 60 "all disks" serves_all
    worker=$(worker_of "$domain")
    spared=$(worker_of "$other")
    nap_at_random 1000
    kill -KILL "$worker"
    wait_for 30 "another worker" is_another_worker "$domain" "$worker"
    expect "the other guest's worker is the same" test "$(worker_of "$other")" = "$spared"
done
wait_for 60 "all disks" serves_all
expect_progress_of_all

step "the control process killed $control_kills times"
spared=$(worker_of "$domain")
for ((i = 0; i < control_kills; i++)); do
    daemon=$(main_pid)
    nap_at_random 1500
    kill -KILL "$daemon"
    wait_for 30 "its restart" runs_anew "$daemon"
    daemon=
    wait_for 60 "all disks" serves_all
done
expect "the workers were left alone" test "$(worker_of "$domain")" = "$spared"
expect_progress_of_all

step "upgraded $upgrades times, and back"
for ((i = 0; i < upgrades; i++)); do
    dpkg --install /host/other/*.deb >/dev/null 2>&1
    nap_at_random 1000
    dpkg --install /host/tapring/*.deb >/dev/null 2>&1
done
wait_for 60 "all disks" serves_all
expect_progress_of_all

step "the end of the load"
bash -c "$(end_of_load /tmp/load)" || die "the load in dom0 failed"
for guest in anthony berta; do
    guest_run "$guest" end 120 "$(end_of_load /tmp/load)"
    echo "$guest: $(grep -a 'fio ran' "$console_logs/guest-$guest.log")"
done

step "detach"
detach xvda
for guest in anthony berta; do guest_start "$guest" off 'sync; poweroff -f'; done
for guest in anthony berta; do wait_for 40 "$guest to be gone" guest_is_gone "$guest"; done
wait_for 10 "the last disk to be forgotten" lists_nothing
for path in "$first" "$second" "$third"; do expect_released "$path"; done
wait_for 10 "the last worker to end" bash -c "! pgrep '^tap-'"
systemctl stop tapringd
