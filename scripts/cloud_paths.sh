# shellcheck shell=bash disable=SC2034,SC2154
# Sourced after shell.sh: where the cloud of `make up` keeps everything, and how its kato is asked.

# reachable DIRECTORY: whether users without rights can pass through it.
reachable() {
    local directory=$1
    while [ "$directory" != / ]; do
        [ ! -e "$directory" ] || [ -n "$(find "$directory" -maxdepth 0 -perm -o=x)" ] || return 1
        directory=$(dirname "$directory")
    done
}

# Processes and containers that are not root's run from there, and paths of sockets are short.
if [ -n "${STATE:-}" ]; then
    state=$(realpath -m "$STATE")
elif reachable "$root" && [ "${#root}" -le 40 ]; then
    state=$root/.cloud
else
    state=/var/lib/switchyard/cloud
fi
reachable "$state" || fail "$state has to be reachable for other users; choose another place: STATE=<directory>"
[ "${#state}" -le 50 ] || fail "$state is too long for the sockets in it; choose a shorter one: STATE=<directory>"

engine_state=$state/engine engine_run=$state/run/engine

kato() { "$state/bin/kato" -c "$state/kato.yml" "$@"; }
kato_runs() { [ -x "$state/bin/kato" ] && [ -e "$state/kato.yml" ] && kato status >/dev/null 2>&1; }

# Containers outlive their engine, so they are removed while it runs and nobody watches them any more.
stop_apps() {
    local socket=unix://$engine_run/docker.sock containers
    containers=$(docker -H "$socket" ps -q 2>/dev/null) || return 0
    [ -z "$containers" ] || xargs docker -H "$socket" rm -f <<<"$containers" >/dev/null
}
