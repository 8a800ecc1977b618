#!/bin/bash
# Makes a droplet of an app, inside a container of its own, as the user that apps run as.
#   stage.sh BUILDPACK...    the buildpacks to use, all but the last only supply; none: the first that
#                            detects the app, in the order of buildpacks/order
# In $HOME: app/ (the package), cache/ (what the last staging kept), buildpacks/NAME/bin/.
# Leaves: droplet.tgz and cache.tgz in $HOME, and result.yml for the DEA.
# Exit status: 0; 10 no buildpack detects the app; 11 the buildpack failed; 12 it says no start command.
set -uo pipefail
cd "$HOME" || exit 1
umask 022
export BUILDPACK_CACHE=$HOME/cache CF_STACK=${CF_STACK:-bookworm}
mkdir -p cache deps logs tmp

say() { printf -- '-----> %s\n' "$*"; }
bin() { printf '%s/buildpacks/%s/bin/%s' "$HOME" "$1" "$2"; }

detected=
if [ $# -eq 0 ]; then
    while read -r name; do
        if detected=$("$(bin "$name" detect)" "$HOME/app" 2>/dev/null); then
            set -- "$name"
            break
        fi
    done <buildpacks/order
    if [ $# -eq 0 ]; then
        echo "None of the buildpacks detected a compatible application"
        exit 10
    fi
fi

index=0
for name in "$@"; do
    [ -d "buildpacks/$name" ] || {
        echo "There is no buildpack $name"
        exit 11
    }
    say "Using $name"
    last=$name
    if [ "$index" -lt $(($# - 1)) ] || [ -x "$(bin "$name" finalize)" ]; then
        mkdir -p "deps/$index"
        if [ -x "$(bin "$name" supply)" ]; then
            "$(bin "$name" supply)" "$HOME/app" "$HOME/cache" "$HOME/deps" "$index" || exit 11
        fi
    fi
    index=$((index + 1))
done
if [ -x "$(bin "$last" finalize)" ]; then
    "$(bin "$last" finalize)" "$HOME/app" "$HOME/cache" "$HOME/deps" "$((index - 1))" || exit 11
else
    "$(bin "$last" compile)" "$HOME/app" "$HOME/cache" || exit 11
fi
if [ -z "$detected" ]; then detected=$("$(bin "$last" detect)" "$HOME/app" 2>/dev/null) || detected=$last; fi

# What the buildpack would start; the app's own Procfile comes before it.
release=$("$(bin "$last" release)" "$HOME/app") || exit 12
{
    printf 'buildpack_path: %s\ndetected_buildpack: "%s"\nprocess_types:\n' "$last" "${detected//\"/}"
    {
        [ ! -f app/Procfile ] || sed -n 's/^\([A-Za-z0-9_-]*\):[[:space:]]*\(.*[^[:space:]]\)[[:space:]]*$/\1\t\2/p' app/Procfile
        sed -n '/^default_process_types:/,/^[^ ]/s/^  \([A-Za-z0-9_-]*\): *\(.*\)$/\1\t\2/p' <<<"$release"
    } | awk -F '\t' '!seen[$1]++ {
        command = $2
        if (command ~ /^".*"$/) { command = substr(command, 2, length(command) - 2) } else { gsub(/\\/, "\\\\", command); gsub(/"/, "\\\"", command) }
        printf "  %s: \"%s\"\n", $1, command
    }'
} >staging_info.yml
cp staging_info.yml result.yml
say "Making the droplet"
tar -czf droplet.tgz ./app ./deps ./logs ./tmp ./staging_info.yml || exit 11
tar -czf cache.tgz -C cache . || exit 11
