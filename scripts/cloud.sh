#!/usr/bin/env bash
# Starts the whole cloud on this machine, under kato, and pushes a sample app through the API: engine,
# nats-server, router, controller, health manager, DEA. Repeating it is quick and harmless; what was changed by hand in a
# configuration file is kept.
#   DOMAIN   the domain of the platform (apps.localhost)
#   LISTEN   the address that the router listens on (127.0.0.1); all else stays on loopback
#   PORT, ADMIN_PORT, NATS_PORT, API_PORT, HEALTH_PORT, DEA_PORT   other ports
#   PROFILE  another profile of cargo (quick)
#   STATE    where configuration, data and logs are (.cloud)
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
. "$root/scripts/cloud_paths.sh"
cd "$root"

domain=${DOMAIN:-apps.localhost} listen=${LISTEN:-127.0.0.1}
port=${PORT:-8080} admin_port=${ADMIN_PORT:-8082} nats_port=${NATS_PORT:-4222}
api_port=${API_PORT:-9022} dea_port=${DEA_PORT:-8084} health_port=${HEALTH_PORT:-8086}
profile=${PROFILE:-quick}
app=hello
server_address=$listen
[ "$listen" != 0.0.0.0 ] || server_address=127.0.0.1
programs=(router controller health-manager dea kato cf-driver)

# Where no engine can run there is no cloud, but still a router.
router_alone() {
    warn "no cloud on this machine: $1"
    say "starting the router alone, as \`make router\` does"
    exec "$root/scripts/up.sh"
}

# why_no_engine: says why, and nothing where one can run.
why_no_engine() {
    local program bridge=switchyard-try
    for program in dockerd iptables nft ip mmdebstrap; do
        have "$program" || { say "$program is missing and could not be installed"; return; }
    done
    ip link add "$bridge" type bridge 2>/dev/null || { say "the kernel lets us make no bridge"; return; }
    ip link delete "$bridge"
    iptables -S >/dev/null 2>&1 || { say "the kernel lets us set no packet filter"; return; }
    [ -d /sys/fs/cgroup ] && [ -n "$(ls /sys/fs/cgroup)" ] || say "there are no control groups"
}

check_ports() {
    local name taken
    for name in PORT ADMIN_PORT NATS_PORT API_PORT HEALTH_PORT DEA_PORT; do
        case $name in
        PORT) taken=$port ;; ADMIN_PORT) taken=$admin_port ;; NATS_PORT) taken=$nats_port ;;
        API_PORT) taken=$api_port ;; HEALTH_PORT) taken=$health_port ;; *) taken=$dea_port ;;
        esac
        ! port_taken "$taken" ||
            fail "port $taken is taken by another program; choose one with: make up $name=<port>"
    done
}

build() {
    local packages=() program
    for program in "${programs[@]}"; do packages+=(--package "$program"); done
    cargo build --profile "$profile" --locked "${packages[@]}" --bins
}

# Programs are run from the state directory, so that a build never changes one that runs and that other
# users than ours can reach them.
install_programs() {
    local program file
    mkdir -p "$state/bin"
    for program in "${programs[@]}" nats-server; do
        file=$target/${profile/#dev/debug}/$program
        [ "$program" != nats-server ] || file=$(readlink -f "$(command -v nats-server)")
        cmp -s "$file" "$state/bin/$program" || install -m 755 "$file" "$state/bin/$program"
    done
}

configure() {
    "$state/bin/kato" init "$state" --programs "$state/bin" --engine "$root/dea/engine/run.sh" \
        --buildpacks "$root/dea/buildpacks" --domain "$domain" --listen "$listen" --port "$port" \
        --admin-port "$admin_port" --nats-port "$nats_port" --api-port "$api_port" --dea-port "$dea_port" \
        --health-port "$health_port"
}

# sum NAME: what a process was started from.
sum() {
    case $1 in
    kato) cksum "$state/bin/kato" "$state/kato.yml" "$root/dea/engine/run.sh" ;;
    nats) cksum "$state/bin/nats-server" "$state/nats.conf" ;;
    *) cksum "$state/bin/$1" "$state/$1.yml" ;;
    esac
}

# Starts what does not run, and starts again what runs from an older program or configuration.
start() {
    local name changed=()
    for name in nats router controller health-manager dea; do
        [ "$(sum "$name")" = "$(cat "$state/run/$name.sum" 2>/dev/null)" ] || changed+=("$name")
    done
    if kato_runs; then
        if [ "$(sum kato)" != "$(cat "$state/run/kato.sum" 2>/dev/null)" ]; then
            kato stop
        elif [ "${#changed[@]}" -gt 0 ]; then
            kato restart "${changed[@]}"
        fi
    fi
    mkdir -p "$state/run"
    for name in kato nats router controller health-manager dea; do sum "$name" >"$state/run/$name.sum"; done
    kato start
}

make_stack() { "$root/dea/stack/build.sh" "$engine_run/docker.sock" "$state/stack" >/dev/null; }

sample_answers() { answers_200 "$port" "$app.$domain" /; }

push_sample() {
    # One that was pushed before is started again by the health manager.
    if [ -e "$state/run/pushed" ] && wait_for 30 sample_answers; then
        return 0
    fi
    "$state/bin/cf-driver" --api "http://127.0.0.1:$api_port" --password-file "$state/admin-password" \
        push "$app" --path "$root/dea/samples/static"
    wait_for 20 sample_answers || fail "the sample app was pushed, but http://$app.$domain:$port/ does not answer 200"
    : >"$state/run/pushed"
}

tell() {
    cat <<TEXT

${green}The cloud is up.${plain} The sample app answers at

    http://$app.$domain:$port/

Log in with the cf CLI (version 8) and push a directory:

    cf api http://127.0.0.1:$api_port
    cf login -u admin -p "\$(cat $state/admin-password)" -o dev -s dev
    cf push myapp -p <directory>

Why does a request go where it goes?

    curl 'http://127.0.0.1:$admin_port/routes/explain?url=http://$app.$domain/'

Processes: $state/bin/kato -c $state/kato.yml status (or: log -f, restart router)
Configuration: $state/*.yml and nats.conf      Logs: $state/log      Stop: make down
TEXT
}

[ "$(id -u)" -eq 0 ] || router_alone "a container engine has to be run by root: sudo make up"
began=$(now)
if ! kato_runs && ! grep -qs '"pid"' "$state/kato.running"; then
    "$root/scripts/down.sh" router
    check_ports
fi
step "what is missing" "$root/scripts/setup.sh" build bus curl cloud
why=$(why_no_engine)
[ -z "$why" ] || router_alone "$why"
step "build ($profile: for trying)" build
step "programs and configuration" eval 'install_programs && configure'
step "engine, nats-server, router, controller, health manager, DEA" start
step "stack image (made once)" make_stack
step "sample app" push_sample
say "${dim}    all: $(seconds_since "$began") s${plain}"
tell
