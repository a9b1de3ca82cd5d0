#!/usr/bin/env bash
# Copies an archive into each kind on a disk that is too small, makes room, and lets the copy go on: the error is clear,
# and no tile that was there before is copied again. The disk is a tmpfs in a namespace of its own.
#
# usage: disk_full.sh ARCHIVE   an archive of a few MiB
set -euo pipefail

if [ "${INSIDE:-}" = "" ]; then
    source_archive=$(realpath "${1:?usage: disk_full.sh ARCHIVE}")
    here=$(cd "$(dirname "$0")" && pwd)
    (cd "$here" && cargo build --quiet --release --example copy_archive)
    target=$(cd "$here" && cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    INSIDE=1 COPY=$target/release/examples/copy_archive exec unshare --mount --map-root-user "$0" "$source_archive"
fi

work=$(mktemp -d)
trap 'umount "$work"; rmdir "$work"' EXIT
total=$("$COPY" "$1" "/dev/shm/$$.mbtiles" | cut -d' ' -f1)
rm "/dev/shm/$$.mbtiles"
for name in a.mbtiles a.pmtiles tree; do
    mount -t tmpfs -o size=1m tmpfs "$work"
    if "$COPY" "$1" "$work/$name" >/dev/null 2>"/dev/shm/$$"; then
        echo "$name: fitted on the disk; give a larger archive"
        exit 1
    fi
    grep -q "Full" "/dev/shm/$$" || { cat "/dev/shm/$$"; exit 1; }
    rm "/dev/shm/$$"
    mount -o remount,size=64m "$work"
    rest=$("$COPY" "$1" "$work/$name" | cut -d' ' -f1)
    [ "$rest" -gt 0 ] && [ "$rest" -lt "$total" ]
    # Another copy finds nothing left to do: all tiles are there.
    [ "$("$COPY" "$1" "$work/$name" | cut -d' ' -f1)" = 0 ]
    echo "$name: full after $((total - rest)) of $total tiles, went on with the other $rest"
    umount "$work"
done
mount -t tmpfs tmpfs "$work"
