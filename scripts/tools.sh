#!/usr/bin/env bash
# Builds the development tools that no package ships into .tools/, once; never fails a caller.
#   tools.sh [oha] [cargo-deny]
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"

declare -A version=([oha]=1.16.0 [cargo-deny]=0.20.2)

# Two builds at once would only wait for each other, or build twice.
mkdir -p "$tools"
exec 9>"$tools/lock"
flock 9

for tool in "${@:-oha}"; do
    [ -n "${version[$tool]:-}" ] || fail "tools.sh knows no tool named $tool"
    [ -x "$tools/bin/$tool" ] && continue
    start=$(now)
    say "    building $tool ${version[$tool]} into .tools (once)"
    if nice -n 19 cargo install "$tool" --version "${version[$tool]}" --locked \
        --root "$tools" --target-dir "$tools/build" --quiet; then
        say "    $tool: $(seconds_since "$start") s"
    else
        warn "$tool could not be built; what needs it is skipped"
    fi
done
rm -rf "$tools/build"
