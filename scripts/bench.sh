#!/usr/bin/env bash
# The criterion benches; arguments choose some by name.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
cd "$root"
"$root/scripts/setup.sh" build
exec cargo bench --locked --package benches -- "$@"
