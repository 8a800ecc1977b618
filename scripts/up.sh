#!/usr/bin/env bash
# Starts nats-server, the router and one sample app that registers itself over NATS, and prints
# the curl line that now works. Repeating it is harmless; a port that is taken changes nothing. PORT,
# ADMIN_PORT and NATS_PORT choose other ports; everything listens on loopback, and `make down` stops just
# these three.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
cd "$root"

port=${PORT:-8080} admin_port=${ADMIN_PORT:-8082} nats_port=${NATS_PORT:-4222}
host=hello.localhost
run=$root/.up
servers=(nats router sample)

all_alive() {
    local server
    for server in "${servers[@]}"; do server_alive "$run/$server.pid" || return 1; done
}

any_alive() {
    local server
    for server in "${servers[@]}"; do server_alive "$run/$server.pid" && return 0; done
    return 1
}

build() {
    cargo build --profile quick --locked --package router --package sample-app --bins
}

write_config() {
    cat >"$run/router.yml" <<YAML
listeners: [{address: "127.0.0.1:$port"}]
status: {port: off, routes: {port: $admin_port}}
nats: {hosts: [{hostname: 127.0.0.1, port: $nats_port}]}
snapshot_file: "$run/routes.snapshot"
workers: $(nproc)
YAML
}

# ours PORT: whether the stack that runs listens there.
ours() {
    any_alive && [[ " $(cat "$run/ports" 2>/dev/null) " == *" $1 "* ]]
}

# A taken port is told before anything is built, stopped or started, so that nothing changes.
check_ports() {
    local name taken
    for name in PORT ADMIN_PORT NATS_PORT; do
        case $name in PORT) taken=$port ;; ADMIN_PORT) taken=$admin_port ;; *) taken=$nats_port ;; esac
        if port_taken "$taken" && ! ours "$taken"; then
            fail "port $taken is taken by another program; choose one with: make router $name=<port>"
        fi
    done
}

# server NAME SECONDS READY... -- COMMAND...: starts one and waits until it is ready.
server() {
    local name=$1 limit=$2 ready=()
    shift 2
    while [ "$1" != -- ]; do ready+=("$1"); shift; done
    shift
    start_server "$run/$name.pid" "$run/$name.log" "$@"
    wait_for "$limit" "${ready[@]}" && server_alive "$run/$name.pid" && return 0
    tail -n 20 "$run/$name.log" >&2
    "$root/scripts/down.sh" router >/dev/null
    fail "$name did not come up within $limit s (its log, $run/$name.log, ends as above)"
}

start_all() {
    server nats 10 port_taken "$nats_port" -- nats-server -a 127.0.0.1 -p "$nats_port"
    server router 10 port_taken "$port" -- "$target/quick/router" -c "$run/router.yml"
    server sample 15 answers_200 "$port" "$host" / -- \
        "$target/quick/sample-app" --nats "127.0.0.1:$nats_port" --uri "$host" \
        --uri localhost --uri 127.0.0.1
}

tell() {
    cat <<TEXT

${green}The router is up.${plain} The sample app registered $host over NATS; this works now:

    curl http://$host:$port/

Why did it go there?

    curl 'http://127.0.0.1:$admin_port/routes/explain?url=http://$host/'

Logs and configuration: $run      Stop: make down
TEXT
}

mkdir -p "$run"
if all_alive && [ "$(cat "$run/ports" 2>/dev/null)" = "$port $admin_port $nats_port" ] &&
    answers_200 "$port" "$host" /; then
    say "already up"
    tell
    exit 0
fi
check_ports
step "what is missing" "$root/scripts/setup.sh" build bus curl
step "build (quick: for trying; make load-test and make install build what ships)" build
"$root/scripts/down.sh" router >/dev/null
write_config
printf '%s' "$port $admin_port $nats_port" >"$run/ports"
step "nats-server, router, sample app" start_all
tell
