#!/bin/bash
# SPDX-License-Identifier: MIT
# bench.sh ROUNDS SECONDS [OPTION...]: in one dom0, one image each behind tapringd, which gets the
# options, blkback over a loop device and QEMU's qdisk; every job on every disk in turn, so that
# what disturbs the machine disturbs all three. fio's reports: /host/bench/BACKEND.JOB.ROUND.json.

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly rounds=$1 seconds=$2 mebibytes=256
shift 2
readonly jobs=(randread-4k randwrite-4k randread-128k randwrite-128k)
declare -A device=([tapringd]=xvda [blkback+loop]=xvdb [qdisk]=xvdc)

filled_image() { # NAME: no holes, so that no backend has to allocate
    dd if=/dev/zero of="$images/$1.img" bs=1M count="$mebibytes" conv=fsync status=none
    echo "$images/$1.img"
}

start_qemu() {
    /usr/libexec/xen-qemu-system-i386 -xen-domid 0 -xen-attach -name dom0 -machine xenpv \
        -display none -nographic -nodefaults -no-user-config -vnc none \
        -monitor none -serial none >/tmp/qemu.log 2>&1 &
    qemu=$!
    # libxl asks for dom0's device model by this key.
    xenstore-write /local/domain/0/image/device-model-pid "$qemu"
}

attach_all() { # [OPTION...]
    daemon_log_level=info daemon_start "$@"
    loop=$(losetup --find --show "$(filled_image loop)")
    start_qemu
    attach_dom0 "tap:aio:$(filled_image tapringd),xvda,w" xvda
    attach_dom0 "phy:$loop,xvdb,w" xvdb
    attach_dom0 "backendtype=qdisk,format=raw,vdev=xvdc,access=rw,target=$(filled_image qdisk)" xvdc
    expect_served 0/xvda "$images/tapringd.img"
}

detach_all() {
    detach xvda
    detach xvdb
    detach xvdc
    losetup --detach "$loop"
    kill "$qemu"
    xenstore-rm /local/domain/0/image
    daemon_stop
}

measure() { # BACKEND JOB ROUND
    fio --name="$2" --filename="/dev/${device[$1]}" --direct=1 --ioengine=libaio --iodepth=16 \
        --rw="${2%-*}" --bs="${2#*-}" --runtime="$seconds" --time_based --ramp_time=1 \
        --output-format=json --output="/host/bench/$1.$2.$3.json"
}

mkdir -p /host/bench
attach_all "$@"
for ((round = 1; round <= rounds; round++)); do
    for job in "${jobs[@]}"; do
        for name in "${!device[@]}"; do
            step "round $round: $job on $name"
            measure "$name" "$job" "$round"
        done
    done
done
detach_all
