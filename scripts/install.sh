#!/usr/bin/env bash
# Builds the router as it is shipped and installs it: the program, its manual pages, completions of
# three shells, a systemd unit, and a documented configuration if there is none. BINARY installs a
# router that is built already. Nothing is enabled or started.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
. "$root/scripts/install_paths.sh"
cd "$root"

binary=${BINARY:-}
if [ -z "$binary" ]; then
    "$root/scripts/setup.sh" build
    step "release build, with the long optimisation" cargo build --release --locked --package router
    binary=$target/release/router
fi
[ -x "$binary" ] || fail "there is no program at $binary"

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$binary" --write-manual "$made/manual"
"$binary" --print-example >"$made/router.yml"
sed -e "s|@BINDIR@|$bindir|g" -e "s|@CONFIG@|$config|g" -e "s|@ENVIRONMENT@|$environment|g" \
    "router/packaging/$unit" >"$made/$unit"

# put MODE FILE DIRECTORY [NAME]: installs one file, and says where.
put() {
    local to=$destdir$3/${4:-$(basename "$2")}
    install -D -m "$1" "$2" "$to" || fail "$to cannot be written: choose another PREFIX, or become root"
    say "  $to"
}

put 755 "$binary" "$bindir" router
for page in "$made"/manual/*.1; do put 644 "$page" "$mandir"; done
put 644 "$made/manual/router.bash" "$bash_completions" router
put 644 "$made/manual/_router" "$zsh_completions"
put 644 "$made/manual/router.fish" "$fish_completions"
put 644 "$made/$unit" "$unitdir"
if [ -e "$destdir$config" ]; then
    say "  $destdir$config is kept as it is"
else
    put 644 "$made/router.yml" "$(dirname "$config")" "$(basename "$config")"
fi
[ -n "$destdir" ] || say "Next: edit $config, then systemctl daemon-reload && systemctl enable --now $unit"
