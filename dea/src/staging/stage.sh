#!/bin/bash
# Makes a droplet of the app in /home/vcap/app, within the container that stages it.
#   stage.sh detect|named BUILDPACK...
# `detect` takes the first buildpack that knows the app; `named` takes all, and the last one says how the
# app is started. Ends with 222 when none knows the app, 223 when one fails, 224 when the last one does not
# say how the app is started.
set -euo pipefail
umask 022

home=/home/vcap
app=$home/app
mode=$1
shift
mkdir -p "$home/result"

# part COMMAND...: runs a part of a buildpack. 137 stays: it may be for want of memory.
part() {
    local status=0
    "$@" || status=$?
    [ "$status" -ne 137 ] || exit 137
    [ "$status" -eq 0 ] || exit 223
}

chosen=()
if [ "$mode" = detect ]; then
    for name in "$@"; do
        if detected=$("$home/buildpacks/$name/bin/detect" "$app" 2>/dev/null); then
            chosen=("$name")
            printf '%s' "$detected" >"$home/result/detected"
            break
        fi
    done
    [ "${#chosen[@]}" -gt 0 ] || exit 222
else
    chosen=("$@")
fi

last=$((${#chosen[@]} - 1))
for index in "${!chosen[@]}"; do
    name=${chosen[index]}
    bin=$home/buildpacks/$name/bin
    cache=$home/cache/$name
    deps=$home/deps/$index
    mkdir -p "$cache" "$deps"
    printf -- '-----> %s\n' "$name"
    if [ -x "$bin/supply" ]; then
        part "$bin/supply" "$app" "$cache" "$home/deps" "$index"
    elif [ -x "$bin/compile" ] && [ "$index" -eq "$last" ]; then
        part "$bin/compile" "$app" "$cache"
    fi
    # What one buildpack supplies, the next ones can use.
    [ ! -d "$deps/bin" ] || export PATH="$deps/bin:$PATH"
    if [ -d "$deps/profile.d" ]; then
        mkdir -p "$app/.profile.d"
        for script in "$deps/profile.d/"*; do
            cp "$script" "$app/.profile.d/${index}_${script##*/}"
        done
    fi
done
if [ -x "$bin/finalize" ]; then
    mkdir -p "$app/.profile.d"
    part "$bin/finalize" "$app" "$cache" "$home/deps" "$last" "$app/.profile.d"
fi
printf '%s' "$name" >"$home/result/buildpack"
"$bin/release" "$app" >"$home/result/release.yml" || exit 224

# Empty directories stay behind.
find "$home/deps" "$home/cache" -mindepth 1 -type d -empty -delete
parts=(./app ./logs ./tmp)
if [ -n "$(ls -A "$home/deps")" ]; then
    parts+=(./deps)
    mkdir -p "$app/.profile.d"
    # shellcheck disable=SC2016 # expanded when the app starts
    printf '%s\n' 'for dep in /home/vcap/deps/*/bin; do export PATH="$dep:$PATH"; done' \
        >"$app/.profile.d/000_deps.sh"
fi
tar -C "$home" -I 'gzip -1' -cf "$home/droplet.tgz" "${parts[@]}"
if [ -n "$(ls -A "$home/cache")" ]; then
    tar -C "$home/cache" -I 'gzip -1' -cf "$home/cache.tgz" .
fi
