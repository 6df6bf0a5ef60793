#!/bin/bash
# SPDX-License-Identifier: MIT
# A PV guest that checks what it reads is saved and restored, then moves to another domain of this
# host as in a migration: the image's lock goes with it, and no request is lost.
#
# control: no
# seconds: 300

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

first=$(image first 32)
readonly saved=$images/anthony.saved

serves_anthony() {
    is_listed "$(xl domid anthony)/xvda" connected "$first"
}

step "a guest under load"
daemon_start
guest_boot anthony "tap:aio:$first,xvda,w"
guest_run anthony disk 30 'until [ -b /dev/xvda ]; do sleep 0.2; done'
guest_run anthony load 10 "$(load /dev/xvda)"
nap 2
expect "it is served" serves_anthony

step "saved"
xl save anthony "$saved" >/tmp/xl-save.log 2>&1 || { cat /tmp/xl-save.log; die "xl save"; }
wait_for 10 "its disk to go" lists_nothing
expect_released "$first"

step "restored"
xl restore "$saved" >/tmp/xl-restore.log 2>&1 || { cat /tmp/xl-restore.log; die "xl restore"; }
rm "$saved"
wait_for 20 "the disk of the restored guest" serves_anthony
guest_expect_progress anthony restored

# In the order of a migration, which the lab's Xen cannot do: it keeps no log of a PV guest's pages.
step "moved to another domain while the old one is there"
before=$(xl domid anthony)
xl save -p anthony "$saved" >/tmp/xl-save.log 2>&1 || { cat /tmp/xl-save.log; die "xl save -p"; }
xl rename anthony anthony-before
xl restore -p "$saved" >/tmp/xl-restore.log 2>&1 || { cat /tmp/xl-restore.log; die "xl restore"; }
rm "$saved"
xl destroy anthony-before
xl unpause anthony
wait_for 20 "the disk of the moved guest" serves_anthony
expect "it is another domain" test "$(xl domid anthony)" != "$before"
guest_expect_progress anthony moved
grep 'lock' "$daemon_log" | tail -5 || true

step "the end of the load"
guest_run anthony end 120 "$(end_of_load)"
grep -a 'fio ran' "$console_logs/guest-anthony.log"
guest_start anthony off 'sync; poweroff -f'
wait_for 40 "anthony to be gone" guest_is_gone anthony
wait_for 10 "the disk to be forgotten" lists_nothing
expect_released "$first"
daemon_stop
