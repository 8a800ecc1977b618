#!/usr/bin/env bash
# Removes what install.sh put there. The configuration stays: it may have been edited.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"
. "$root/scripts/install_paths.sh"

for file in "$destdir$bindir/router" "$destdir$mandir"/router.1 "$destdir$mandir"/router-*.1 \
    "$destdir$bash_completions/router" "$destdir$zsh_completions/_router" \
    "$destdir$fish_completions/router.fish" "$destdir$unitdir/$unit"; do
    [ -e "$file" ] || continue
    rm "$file"
    say "  removed $file"
done
[ ! -e "$destdir$config" ] || say "  $destdir$config stays"
