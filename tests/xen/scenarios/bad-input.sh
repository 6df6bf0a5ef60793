#!/bin/bash
# SPDX-License-Identifier: MIT
# What cannot be served fails at once, with one clear line in the log, and disturbs nobody: a good
# disk works before, between and after.
#
# control: no
# seconds: 300

# shellcheck source=tests/xen/dom0.sh
source "${0%/*}/../dom0.sh"

readonly somebody=1000
good=$(image good 16)
good_bytes=0

# The lines of the log from number $1 on that complain: naming $2, the disk, and $3, the path.
complaints() {
    tail -n "+$1" "$daemon_log" | grep -E '^[^ ]+ [^ ]+ (warning|error) ' | grep -F -- "$2" |
        grep -F -- "$3" || true
}

next_line() {
    local count
    count=$(wc -l <"$daemon_log")
    echo $((count + 1))
}

complained() { [[ $(complaints "$@") ]]; }

expect_one_complaint() { # FIRST_LINE DISK PATH
    local lines
    wait_for 10 "a line in the log about $2 and $3" complained "$@"
    lines=$(complaints "$@")
    echo "        $lines"
    [[ $(wc -l <<<"$lines") == 1 ]] || die "this should have been one line"
}

good_disk_works() {
    daemon_lives
    dd if=/dev/urandom of=/tmp/part bs=128k count=1 status=none
    dd if=/tmp/part of=/dev/xvdb bs=128k seek="$good_bytes" oflag=direct status=none
    dd if=/dev/xvdb of=/tmp/back bs=128k skip="$good_bytes" count=1 iflag=direct status=none
    cmp /tmp/part /tmp/back || die "the good disk no longer works"
    good_bytes=$((good_bytes + 1))
}

is_detached() { # DEVID
    ! xenstore-exists "/local/domain/0/backend/vbd/0/$1" &&
        ! xenstore-exists "/local/domain/0/backend/qdisk/0/$1"
}

# A toolstack leaves the nodes of a failed attach for the next detach.
clear_away() { # VDEV
    is_detached "$(devid "$1")" || detach "$1"
    wait_for 10 "the nodes of $1 to go" is_detached "$(devid "$1")"
}

attach_fails() { # LINE
    local code=0
    timeout "$attach_seconds" xl block-attach 0 "$1" >/tmp/attach.log 2>&1 || code=$?
    ((code != 124)) || die "attaching hangs"
    ((code != 0)) || die "attaching succeeded"
}

refused_by_us() { # TEXT LINE PATH: the daemon says why
    local from
    step "$1"
    from=$(next_line)
    attach_fails "$2"
    expect_one_complaint "$from" 0/xvda "$3"
    clear_away xvda
    good_disk_works
}

refused_by_xl() { # TEXT LINE: libxl sees it before any backend does
    step "$1, seen by xl"
    attach_fails "$2"
    grep -iE 'failed to stat|unsuitable|error' /tmp/attach.log | head -1
    clear_away xvda
    good_disk_works
}

refused_without_script() { # TEXT LINE PATH: libxl picks qdisk, and does not wait for a backend
    local from
    step "$1"
    from=$(next_line)
    attach "$2"
    expect_one_complaint "$from" 0/xvda "$3"
    wait_for 10 "the backend to close" backend_closes 0 qdisk
    expect "no disk appeared" is_gone /dev/xvda
    clear_away xvda
    good_disk_works
}

ours() { # TARGET [ACCESS]
    echo "script=block-tapring,vdev=xvda,access=${2:-rw},target=$1"
}

# A frontend of a guest that never runs says whatever is typed here.
frontend_says() { # DOMAIN KEY=VALUE...
    local domain=$1 pair
    shift
    for pair in "$@" state=3; do
        xenstore-write "/local/domain/$domain/device/vbd/51712/${pair%%=*}" "${pair#*=}"
    done
}

backend_closes() { # DOMAIN [KIND]
    [[ $(xenstore-read "/local/domain/0/backend/${2:-vbd}/$1/51712/state") == [56] ]]
}

refused_frontend() { # TEXT KEY=VALUE...
    local from domain text=$1
    shift
    step "$text"
    guest_create liar "tap:aio:$images/liar.img,xvda,w"
    domain=$(xl domid liar)
    wait_for 20 "its disk to wait" is_waiting "$domain"
    from=$(next_line)
    frontend_says "$domain" "$@"
    expect_one_complaint "$from" "$domain/xvda" "$images/liar.img"
    wait_for 10 "the backend to close" backend_closes "$domain"
    xl destroy liar
    wait_for 20 "liar to be gone" guest_is_gone liar
    expect_released "$images/liar.img"
    good_disk_works
}

is_waiting() { # DOMAIN
    [[ $(xenstore-read "/local/domain/0/backend/vbd/$1/51712/state") == 2 ]]
}

daemon_start --kinds vbd,vbd3,qdisk
attach_dom0 "script=block-tapring,vdev=xvdb,access=rw,target=aio:$good" xvdb

refused_by_us "missing" "$(ours "aio:$images/missing.img")" "$images/missing.img"
refused_by_xl "missing" "tap:aio:$images/missing.img,xvda,w"

mkdir -p "$images/directory"
refused_by_us "a directory" "$(ours "aio:$images/directory")" "$images/directory"
refused_without_script "a directory, plain line" "tap:aio:$images/directory,xvda,w" \
    "$images/directory"

image empty 0 >/dev/null
refused_by_us "empty" "$(ours "aio:$images/empty.img")" "$images/empty.img"
refused_by_us "empty, plain line" "tap:aio:$images/empty.img,xvda,w" "$images/empty.img"

image secret 1 >/dev/null
chown "$somebody" "$images/secret.img"
chmod 0600 "$images/secret.img"
refused_by_us "no permission" "$(ours "aio:$images/secret.img")" "$images/secret.img"
step "no permission, plain line"
attach_dom0 "tap:aio:$images/secret.img,xvda,w" xvda
expect "it is left to xen-blkback" is_in_state 0/xvda kernel
detach xvda

image fixed 1 >/dev/null
chmod 0444 "$images/fixed.img"
refused_by_us "read-only file, mode w" "$(ours "aio:$images/fixed.img")" "$images/fixed.img"
step "read-only file, mode r"
attach_dom0 "$(ours "aio:$images/fixed.img" ro)" xvda
detach xvda

refused_by_us "unknown driver" "$(ours "vmdk:$good")" "$good"

image liar 4 >/dev/null
guest_options=(-p)
refused_frontend "garbage ring-ref" protocol=x86_64-abi event-channel=1 ring-ref=987654
refused_frontend "ring-ref is no number" protocol=x86_64-abi event-channel=1 ring-ref=rubbish
refused_frontend "unknown protocol" protocol=vax-abi event-channel=1 ring-ref=8

detach xvdb
expect_idle
daemon_stop
