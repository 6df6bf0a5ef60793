#!/bin/bash
# SPDX-License-Identifier: MIT
# qcow2 and qcow: disks of dom0 by both lines, and two guests that are installed on overlays over
# one base, at once. qemu-img judges all images.
#
# control: no
# seconds: 420

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly disk=$images/disk.img base=$images/base.img
random_file /tmp/reference 4

line_of() { # IMAGE [ACCESS]
    echo "script=block-tapring,vdev=xvda,access=${2:-rw},target=qcow2:$1"
}

is_sound() { # IMAGE
    qemu-img check -q -f qcow2 "$1" || die "qemu-img check finds faults in $1"
}

works() { # LINE FORMAT
    local sum
    step "$1"
    rm -f "$disk"
    qemu-img create -q -f "$2" "$disk" 64M
    attach_dom0 "$1" xvda
    expect "the disk is served" is_listed 0/xvda connected "$disk"
    mkfs.ext4 -q /dev/xvda
    mount /dev/xvda /mnt
    cp /tmp/reference /mnt/
    umount /mnt
    mount /dev/xvda /mnt
    expect_same /tmp/reference /mnt/reference
    umount /mnt
    fio_verify /dev/xvda 16k 16
    sum=$(sha256sum </dev/xvda)
    detach xvda
    expect_released "$disk"
    [[ $2 != qcow2 ]] || is_sound "$disk"
    qemu-img convert -q -f "$2" -O raw "$disk" /tmp/by-qemu
    [[ $(sha256sum </tmp/by-qemu) == "$sum" ]] || die "qemu-img reads another disk"
    rm /tmp/by-qemu
}

daemon_start --kinds vbd,vbd3,qdisk
works "$(line_of "$disk")" qcow2
# libxl asks whether dom0 has a device model by this key's existence alone.
xenstore-write /local/domain/0/image/device-model-pid 1
works "tap:qcow2:$disk,xvda,w" qcow2
works "tap:qcow:$disk,xvda,w" qcow
xenstore-rm /local/domain/0/image

step "a snapshot"
rm "$disk"
qemu-img create -q -f qcow2 "$disk" 64M
attach_dom0 "$(line_of "$disk")" xvda
dd if=/tmp/reference of=/dev/xvda bs=256k oflag=direct status=none
detach xvda
qemu-img snapshot -c before "$disk"
attach_dom0 "$(line_of "$disk")" xvda
dd if=/dev/zero of=/dev/xvda bs=1M count=4 oflag=direct status=none
detach xvda
attach_dom0 "$(line_of "$disk@before" ro)" xvda
expect_same /tmp/reference /dev/xvda
detach xvda
is_sound "$disk"

step "a base, compressed"
truncate -s 128M /tmp/base.raw
mkfs.ext4 -q /tmp/base.raw
qemu-img convert -q -c -f raw -O qcow2 /tmp/base.raw "$base"
rm /tmp/base.raw
sum=$(sha256sum <"$base")
for guest in anthony bob; do
    qemu-img create -q -f qcow2 -b "$base" -F qcow2 "$images/$guest.img"
done

step "two guests are installed on overlays over it"
for guest in anthony bob; do
    guest_boot "$guest" "$(line_of "$images/$guest.img")"
done
for guest in anthony bob; do
    guest_start "$guest" install "modprobe ext4 && mkdir -p /mnt && \
        mount -t ext4 /dev/xvda /mnt && \
        cp -a /bb /bin /lib* /sbin /usr /etc /init /mnt/ 2>/dev/null; \
        mkdir -p /mnt/dev /mnt/proc /mnt/sys /mnt/tmp && \
        echo $guest >/mnt/name && umount /mnt"
done
for guest in anthony bob; do guest_join "$guest" install 120; done
! qemu-img snapshot -c refused "$base" 2>/tmp/refused.log || die "the base may be written to"
grep --quiet lock /tmp/refused.log || die "refused for another reason: $(</tmp/refused.log)"
for guest in anthony bob; do guest_start "$guest" off 'sync; poweroff -f'; done
for guest in anthony bob; do wait_for 40 "$guest to be gone" guest_is_gone "$guest"; done
wait_for 10 "their disks to be forgotten" lists_nothing
for guest in anthony bob; do is_sound "$images/$guest.img"; done

step "they run from what was installed"
guest_extra=root=/dev/xvda
for guest in anthony bob; do
    guest_boot "$guest" "$(line_of "$images/$guest.img")"
    guest_run "$guest" name 10 "[ \"\$(cat /name)\" = $guest ]"
done
for guest in anthony bob; do
    guest_start "$guest" fio "fio --name=verify --directory=/ --direct=1 --ioengine=libaio \
        --iodepth=16 --rw=randwrite --bs=16k --size=8M --verify=crc32c --verify_fatal=1 --minimal"
done
for guest in anthony bob; do guest_join "$guest" fio 120; done
for guest in anthony bob; do
    guest_start "$guest" off 'sync; mount -o remount,ro /; poweroff -f'
done
for guest in anthony bob; do wait_for 40 "$guest to be gone" guest_is_gone "$guest"; done
wait_for 10 "their disks to be forgotten" lists_nothing
for guest in anthony bob; do
    expect_released "$images/$guest.img"
    is_sound "$images/$guest.img"
done
expect_released "$base"
[[ $(sha256sum <"$base") == "$sum" ]] || die "the base is not what it was"
expect_idle
daemon_stop
