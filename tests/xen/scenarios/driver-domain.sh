#!/bin/bash
# SPDX-License-Identifier: MIT
# A driver domain: the images and tapringd are in a domain of their own, which has no more rights in
# xenstore than any guest. Stock xl gives its disks to dom0, and to a guest that boots from one;
# tapringd is killed and restarted there while all of them work and check what they read.
#
# Not yet among those that each run has: after a take-up there, a request of dom0 may take tens of
# seconds, and why is not known.
#
# control: no
# seconds: 300
# named: only

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly root=/mnt/stor
commands=0

in_stor() { # SECONDS COMMAND
    commands=$((commands + 1))
    guest_run stor "command-$commands" "$1" "$2"
}

line_of() { # VDEV IMAGE
    echo "backend=stor,script=block-tapring,vdev=$1,access=rw,target=aio:$images/$2.img"
}

# A second copy of dom0's own root, as it was before tapringd was put there; in it an image with
# what is otherwise a guest's initramfs.
make_root() {
    mkdir -p "$root"
    mount /dev/vdb "$root"
    mount --bind /host "$root/host"
    chroot "$root" /bin/bash /host/before-init.sh
    umount "$root/host"
    ln -sf usr/local/sbin/driver-domain-init "$root/init"
    truncate -s 64M "$root$images"/{guest,dom0}.img
    mkdir /tmp/guest
    (cd /tmp/guest && cpio -id <"$images/guest.cpio" 2>/dev/null)
    mkfs.ext4 -q -d /tmp/guest "$root$images/guest.img"
    umount "$root"
}

# As its unit does. What it logs goes to the console.
readonly start="ulimit -l unlimited; setpriv --bounding-set=-all --inh-caps=-all tapringd \
    --run-dir $run_dir >/dev/hvc0 2>&1 & until tapring --run-dir $run_dir list; do sleep 0.2; done"

end() { # SIGNAL
    echo "pid=\$(pidof tapringd) && kill -$1 \$pid && while [[ -e /proc/\$pid/exe ]]; do" \
        "sleep 0.1; done"
}

step "a driver domain"
make_root
guest_config="driver_domain = 1" guest_extra=root=/dev/xvda guest_boot stor "phy:/dev/vdb,xvda,w"
in_stor 30 "$start"

step "a disk of it for dom0"
attach_dom0 "$(line_of xvda dom0)" xvda

step "and one that a guest boots from"
guest_extra=root=/dev/xvda guest_boot anthony "$(line_of xvda guest)"

step "killed and restarted there"
guest_run anthony load 10 "$(load /load /tmp/load)"
bash -c "$(load /dev/xvda /tmp/load)"
for signal in KILL TERM; do
    nap_at_random 1500
    in_stor 30 "$(end "$signal"); $start"
done
expect_progress /tmp/load
guest_expect_progress anthony progress
bash -c "$(end_of_load /tmp/load)" || die "the load in dom0 failed"
guest_run anthony end 120 "$(end_of_load /tmp/load)"

step "detach"
detach xvda
guest_start anthony off 'sync; mount -o remount,ro /; poweroff -f'
wait_for 40 "anthony to be gone" guest_is_gone anthony
in_stor 10 "tapring --run-dir $run_dir list --json | jq --exit-status '.disks == []'"
in_stor 10 "! grep gntdev /proc/\$(pidof tapringd)/maps"
guest_start stor off 'poweroff -f'
wait_for 40 "stor to be gone" guest_is_gone stor
