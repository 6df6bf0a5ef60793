#!/bin/bash
# SPDX-License-Identifier: MIT
# The other ways a disk line reaches us, read-only disks, and what must stay with the kernel.

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

disk=$(image disk 32)
random_file /tmp/reference 4
random_file /tmp/other 4

write_and_compare() { # VDEV
    dd if=/tmp/reference of="/dev/$1" bs=256k oflag=direct conv=fsync status=none
    expect_same /tmp/reference "/dev/$1"
}

works() { # LINE
    step "$1"
    dd if=/tmp/other of="$disk" conv=notrunc status=none
    attach_dom0 "$1" xvda
    is_kernel || expect "the disk is served" is_listed 0/xvda connected "$disk"
    write_and_compare xvda
    detach xvda
    expect_released "$disk"
    expect_same /tmp/reference "$disk"
}

refuses_writes() { # LINE
    step "$1"
    attach_dom0 "$1" xvda
    expect_same /tmp/reference /dev/xvda
    [[ $(blockdev --getro /dev/xvda) == 1 ]] || die "/dev/xvda is not read-only"
    ! dd if=/tmp/other of=/dev/xvda bs=256k oflag=direct status=none 2>/dev/null ||
        die "a write to a read-only disk succeeded"
    detach xvda
    expect_released "$disk"
    expect_same /tmp/reference "$disk"
}

stays_with_the_kernel() { # LINE
    step "$1"
    attach_dom0 "$1" xvda
    expect "xen-blkback serves it" \
        test -e "/sys/bus/xen-backend/devices/vbd-0-$(devid xvda)/driver"
    is_kernel || expect "tapring says so" is_in_state 0/xvda kernel
    write_and_compare xvda
    detach xvda
}

daemon_start --kinds vbd,vbd3,qdisk
works "tap:aio:$disk,xvda,w"
works "file:$disk,xvda,w"
works "$disk,raw,xvda,rw"
if ! is_kernel; then
    works "script=block-tapring,vdev=xvda,access=rw,target=aio:$disk"
    works "script=block-tapring,vdev=xvda,access=rw,target=raw:$disk"
    # libxl asks whether dom0 has a device model by this key's existence alone.
    xenstore-write /local/domain/0/image/device-model-pid 1
    works "backendtype=qdisk,format=raw,vdev=xvda,access=rw,target=$disk"
    xenstore-rm /local/domain/0/image
    refuses_writes "script=block-tapring,vdev=xvda,access=ro,target=aio:$disk"
fi
refuses_writes "tap:aio:$disk,xvda,r"

loop=$(losetup --find --show "$disk")
stays_with_the_kernel "phy:$loop,xvda,w"
losetup --detach "$loop"
expect_idle
daemon_stop
