#!/bin/bash
# SPDX-License-Identifier: MIT
# Images that are in use: QEMU's programs keep away from ours, we keep away from theirs, and who it
# is that has the image is said.
#
# control: no

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

ours() { # PATH VDEV [ACCESS]
    echo "script=block-tapring,vdev=$2,access=${3:-rw},target=aio:$1"
}

attach_fails() { # LINE TEXT...: each text is part of the error that xl prints
    local line=$1 text code=0
    shift
    timeout "$attach_seconds" xl block-attach 0 "$line" >/tmp/attach.log 2>&1 || code=$?
    cat /tmp/attach.log
    ((code != 0 && code != 124)) || die "attaching ended with $code"
    for text; do grep -qF -- "$text" /tmp/attach.log || die "'$text' is not said"; done
}

refused_by_qemu() { # COMMAND...
    ! "$@" >/tmp/qemu.log 2>&1 || die "$* worked"
    cat /tmp/qemu.log
    grep -q lock /tmp/qemu.log || die "$* failed for another reason"
}

is_held_by() { # NAME PATH
    tapring --run-dir "$run_dir" holder "$2" | grep -q "^$1, pid "
}

is_free() { # PATH
    [[ $(tapring --run-dir "$run_dir" holder "$1") == nobody ]]
}

clear_away() { # VDEV: a toolstack leaves the nodes of a failed attach
    ! xenstore-exists "/local/domain/0/backend/vbd/0/$(devid "$1")" || detach "$1"
}

disk=$(image disk 16)
random_file /tmp/reference 4
daemon_start

step "QEMU's programs refuse an image that a disk has"
attach_dom0 "$(ours "$disk" xvda)" xvda
dd if=/tmp/reference of=/dev/xvda bs=256k oflag=direct conv=fsync status=none
refused_by_qemu qemu-img convert -f raw -O raw "$disk" /tmp/copy
refused_by_qemu qemu-img resize -f raw "$disk" 32M
expect "tapring holder says who" grep -q "^tapringd, pid $daemon: disk 0/xvda$" \
    <(tapring --run-dir "$run_dir" holder "$disk")

step "so does tapringd"
attach_fails "$(ours "$disk" xvdb)" "$disk is in use by disk 0/xvda of this tapringd"
clear_away xvdb
expect_served 0/xvda "$disk"
detach xvda
expect_released "$disk"
expect "it is free" is_free "$disk"
qemu-img convert -f raw -O raw "$disk" /tmp/copy
expect_same /tmp/reference /tmp/copy

step "tapringd refuses an image that QEMU has"
qemu-img bench -f raw -w -t none -s 512 -d 1 -c 100000000 "$disk" >/dev/null &
qemu=$!
wait_for 20 "qemu-img to open the image" is_held_by qemu-img "$disk"
attach_fails "$(ours "$disk" xvda)" "$disk is in use by" "qemu-img, pid $qemu"
clear_away xvda
kill "$qemu"
wait "$qemu" || true
attach_dom0 "$(ours "$disk" xvda)" xvda
detach xvda

step "readers share"
attach_dom0 "$(ours "$disk" xvda ro)" xvda
attach_dom0 "$(ours "$disk" xvdb ro)" xvdb
expect "QEMU may read" qemu-img info -f raw "$disk"
refused_by_qemu qemu-img resize -f raw "$disk" 32M
detach xvda
detach xvdb

expect_released "$disk"
expect_idle
daemon_stop
