#!/usr/bin/env bash
# Builds the router as it is released and drives it beside its peers; arguments go to load-tests.
# A list needs neither the long build nor the peers, and only scenarios that need oha wait for it.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
cd "$root"
build() { cargo build --release --locked --package router --package load-tests --bins; }
build_list() { cargo build --profile quick --locked --package load-tests --bins; }

# Programs that the chosen scenarios need and that no package ships are built, the others installed.
provide() {
    local needed
    needed=$("$target/release/load-tests" --needs "$@") || return 1
    "$root/scripts/setup.sh" bus peers || return 1
    if grep -qx oha <<<"$needed" && ! have oha; then
        say "    oha drives the fixed rates; its build takes some minutes (--only names other scenarios)"
        "$root/scripts/tools.sh" oha
    fi
}

step "build tools" "$root/scripts/setup.sh" build
for argument in "$@"; do
    case $argument in
    --list | --needs | --help | -h)
        step "build (quick)" build_list
        exec "$target/quick/load-tests" "$@"
        ;;
    esac
done
step "build (release; the long optimisation takes minutes)" build
step "load generators and peers" provide "$@"
exec "$target/release/load-tests" --router "$target/release/router" "$@"
