# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts: where things are, how steps are told, how a server is started and
# stopped by its pid. Nothing here installs or starts anything by itself.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools
target=${CARGO_TARGET_DIR:-$root/target}
export PATH="$tools/bin:$tools/venv/bin:$HOME/.cargo/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' yellow=$'\e[33m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' dim='' red='' yellow='' green='' plain=''
fi

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "${yellow}warning:${plain} $*" >&2; }
fail() {
    printf '%s\n' "${red}error:${plain} $*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# seconds_since START: START and the answer in seconds with one decimal.
now() { local t=${EPOCHREALTIME/,/.}; printf '%s' "$t"; }
seconds_since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

# build_optimised: the programs as they are measured, optimised without the long link. One set of
# packages for every caller: another one could mean other features, and a second build of the tree.
build_optimised() {
    cargo build --profile bench --locked --package router --package load-tests --package benches --bins
}

# step NAME COMMAND...: runs the command, tells its name before and its time after.
step() {
    local name=$1 start status=0
    shift
    start=$(now)
    say "${bold}==> $name${plain}"
    "$@" || status=$?
    if [ "$status" -ne 0 ]; then
        say "${red}    $name failed${plain} after $(seconds_since "$start") s"
        return "$status"
    fi
    say "${dim}    $name: $(seconds_since "$start") s${plain}"
}

# skipped WHAT WHY: says loudly that a check did not run, and remembers it for the summary.
skips=()
skipped() {
    skips+=("$1: $2")
    warn "SKIPPED $1: $2"
}

# Where port_taken and http_status look.
server_address=127.0.0.1

# port_taken PORT: whether something accepts connections there.
port_taken() { (exec 3<>"/dev/tcp/$server_address/$1") 2>/dev/null; }

# wait_for SECONDS COMMAND...: polls the command until it succeeds or the time has passed.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# http_status PORT HOST PATH: the status of a GET, empty when nobody answers.
http_status() {
    {
        exec 3<>"/dev/tcp/$server_address/$1" || return 0
        printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$3" "$2" >&3
        local status
        IFS=' ' read -r -t 2 _ status _ <&3 || return 0
        exec 3<&- 3>&-
        printf '%s' "$status"
    } 2>/dev/null
}

answers_200() { [ "$(http_status "$@")" = 200 ]; }

# A pid alone may be someone else's by now: the start time of the process goes with it.
started_at() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # Field 22, counted after the command name, which may hold spaces.
    read -ra fields <<<"${stat##*) }"
    printf '%s' "${fields[19]}"
}

# start_server FILE LOG COMMAND...: runs a server in the background, its identity in FILE.
start_server() {
    local file=$1 log=$2
    shift 2
    setsid "$@" >"$log" 2>&1 </dev/null &
    local pid=$!
    disown "$pid"
    printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$file"
}

# server_alive FILE: whether the process named in FILE is the one that was started.
server_alive() {
    local pid since
    [ -f "$1" ] && read -r pid since <"$1" && [ -n "$since" ] && [ "$(started_at "$pid")" = "$since" ]
}

server_gone() { ! server_alive "$1"; }

# stop_server FILE: TERM, then KILL after ten seconds; only that process.
stop_server() {
    local pid since
    if server_alive "$1"; then
        read -r pid since <"$1"
        kill -TERM "$pid" 2>/dev/null || true
        wait_for 10 server_gone "$1" || kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$1"
}
