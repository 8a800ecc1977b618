#!/usr/bin/env bash
# Holds what a keep-alive request costs to its limits: user instructions, counted by callgrind on
# the router program, and allocations, counted in one process with it.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
cd "$root"

"$root/scripts/setup.sh" build gates
build_optimised
status=0
"$target/release/gate-allocations" || status=1
if have valgrind; then
    "$target/release/gate-instructions" "$target/release/router" "$target/gates" || status=1
    say "${dim}    by function: callgrind_annotate $target/gates/long.callgrind${plain}"
else
    skipped "instructions per keep-alive request" "valgrind is missing"
fi
exit "$status"
