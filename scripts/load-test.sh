#!/usr/bin/env bash
# Builds the router as it is released and drives it beside its peers; arguments go to load-tests.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
cd "$root"
build() { cargo build --release --locked --package router --package load-tests --bins; }
step "what is missing" "$root/scripts/setup.sh" build bus peers
step "open-loop generator" "$root/scripts/tools.sh" oha
step "build (release)" build
exec "$target/release/load-tests" --router "$target/release/router" "$@"
