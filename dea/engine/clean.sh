#!/usr/bin/env bash
# Removes what an engine started by run.sh left behind: its containers, mounts, bridge and rules, and with
# --data its images and the disks of containers (ENGINE_DISKS). Takes the same variables. The engine must
# have ended.
set -euo pipefail

state=${ENGINE_STATE:-/var/lib/switchyard/engine}
run=${ENGINE_RUN:-/run/switchyard/engine}
bridge=${ENGINE_BRIDGE:-switchyard0}
disks=${ENGINE_DISKS:-/var/lib/switchyard/disks}
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# Containers outlive their engine: their shims name our namespace on their command line.
for command in /proc/[0-9]*/cmdline; do
    words=$({ tr "\0" " " <"$command"; } 2>/dev/null) || continue
    case $words in
    *containerd-shim*"-namespace $bridge "*)
        pid=${command#/proc/} pid=${pid%/cmdline}
        children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || children=
        for child in $children; do kill -KILL "$child" 2>/dev/null || true; done
        kill -KILL "$pid" 2>/dev/null || true
        ;;
    esac
done

# Mounts below our directories, the deepest first.
mounts() {
    awk -v a="$state" -v b="$run" -v c="$disks" '
        $5 == a || index($5, a "/") == 1 || index($5, b "/") == 1 || index($5, c "/") == 1 { print $5 }
    ' /proc/self/mountinfo | sort -r
}
for _ in 1 2 3; do
    mounts | while read -r mount; do umount -l "$mount" 2>/dev/null || true; done
    [ -n "$(mounts)" ] || break
done

# Rules that name our bridge.
for table in filter nat; do
    iptables -t "$table" -S 2>/dev/null | grep -E -- "(^| )$bridge( |\$)" | while read -r _ rule; do
        # shellcheck disable=SC2086 # a rule is several words
        iptables -t "$table" -D $rule 2>/dev/null || true
    done
done
nft delete table inet "switchyard_${bridge//[^a-zA-Z0-9]/_}" 2>/dev/null || true
ip link delete "$bridge" 2>/dev/null || true
rm -rf "$run"
[ "${1:-}" != --data ] || rm -rf "$state" "$disks"
