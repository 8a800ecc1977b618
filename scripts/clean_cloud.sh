#!/usr/bin/env bash
# Removes everything that `make up` keeps: apps, users, images, configuration, logs; its engine's bridge and
# packet filters. Programs that were built and packages that were installed stay. STATE as for `make up`.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
. "$root/scripts/cloud_paths.sh"

if [ ! -e "$state/kato.yml" ]; then
    say "there is no cloud in $state"
    exit 0
fi
"$root/scripts/down.sh"

mounts() { awk -v a="$state/" 'index($5, a) == 1 { print $5 }' /proc/self/mountinfo | sort -r; }

ENGINE_STATE=$engine_state ENGINE_RUN=$engine_run "$root/dea/engine/clean.sh" --data
mounts | while read -r mount; do umount -l "$mount"; done
# A disk that is still in use would be emptied through its mount.
[ -z "$(mounts)" ] || fail "still mounted: $(mounts)"
rm -rf "$state"
say "removed $state"
