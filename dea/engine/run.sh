#!/usr/bin/env bash
# Runs a container engine of our own in the foreground: its own data, socket, bridge and containerd, so
# that another engine on this machine and its containers are left alone. SIGTERM ends it; containers go on.
#   ENGINE_STATE    where images and containers are kept        (/var/lib/switchyard/engine)
#   ENGINE_RUN      where its sockets and pid files are         (/run/switchyard/engine)
#   ENGINE_BRIDGE   the name of the bridge, at most 15 letters  (switchyard0)
#   ENGINE_SUBNET   the bridge's own address with its subnet    (172.31.231.1/24)
#   ENGINE_REMAP    the user that container users are mapped to (default); off: they are not mapped
# The socket is $ENGINE_RUN/docker.sock.
set -euo pipefail

state=${ENGINE_STATE:-/var/lib/switchyard/engine}
run=${ENGINE_RUN:-/run/switchyard/engine}
bridge=${ENGINE_BRIDGE:-switchyard0}
subnet=${ENGINE_SUBNET:-172.31.231.1/24}
remap=${ENGINE_REMAP:-default}
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

fail() {
    printf 'engine: %s\n' "$*" >&2
    exit 1
}
command -v dockerd >/dev/null || fail "dockerd is missing: apt-get install docker.io"
[ "$(id -u)" -eq 0 ] || fail "an engine has to be run by root"

# Before the engine starts: else it forbids forwarding between all other interfaces of this machine.
sysctl -qw net.ipv4.ip_forward=1

# Packets from app to app stay on the bridge; without this no rule sees them.
sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null ||
    printf 'engine: net.bridge.bridge-nf-call-iptables cannot be set: apps may reach each other\n' >&2

if ! ip link show "$bridge" >/dev/null 2>&1; then
    ip link add "$bridge" type bridge
    ip address add "$subnet" dev "$bridge"
fi
ip link set "$bridge" up

# gone FILE: whether the process named in a pid file has ended. A zombie has, and its pid file would keep
# the new engine waiting.
gone() {
    local pid stat
    [ -s "$1" ] || return 0
    pid=$(cat "$1")
    stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return 0
    stat=${stat##*) }
    [ "${stat%% *}" = Z ]
}
for file in "$run/docker.pid" "$run/exec/containerd/containerd.pid"; do
    for _ in $(seq 200); do
        gone "$file" && break
        sleep 0.05
    done
    gone "$file" || fail "an engine of this state runs already: $file"
    rm -f "$file"
done

mkdir -p "$state" "$run"
arguments=(
    --host "unix://$run/docker.sock" --group root
    --data-root "$state" --exec-root "$run/exec" --pidfile "$run/docker.pid"
    --bridge "$bridge" --icc=false --userland-proxy=false --live-restore
    --containerd-namespace "$bridge" --containerd-plugins-namespace "$bridge-plugins"
    --log-driver json-file --log-opt max-size=8m --log-opt max-file=2
    --log-level warn
)
[ "$remap" = off ] || arguments+=(--userns-remap "$remap")
exec dockerd "${arguments[@]}"
