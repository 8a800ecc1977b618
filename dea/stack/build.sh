#!/usr/bin/env bash
# Makes the image that apps are staged and run on, from the packages of Debian. Once: the image is named
# after the digest of this script, and kept as an archive beside the engine's data.
#   build.sh SOCKET CACHE     SOCKET: the engine's; CACHE: a directory for the archive
# Prints the name of the image last. An administrator adds to it with a Dockerfile FROM that name.
set -euo pipefail

socket=$1 cache=$2
suite=bookworm
packages=ca-certificates,tini,nginx-light,python3,python3-pip,python3-venv,nodejs
npm=10.9.2
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" DOCKER_HOST=unix://$socket

digest=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
image=switchyard/stack-$suite:$digest
archive=$cache/stack-$suite-$digest.tar.gz

say() { printf '    %s\n' "$*" >&2; }
fail() {
    printf 'stack: %s\n' "$*" >&2
    exit 1
}
tag() {
    docker tag "$image" "switchyard/stack-$suite:latest"
    printf '%s\n' "$image"
}

if docker image inspect "$image" >/dev/null 2>&1; then
    tag
    exit 0
fi
mkdir -p "$cache"
if [ -s "$archive" ]; then
    say "loading the stack from $archive"
    docker load --quiet --input "$archive" >&2
    tag
    exit 0
fi
for program in docker mmdebstrap npm tar; do
    command -v "$program" >/dev/null || fail "$program is missing: apt-get install docker.io mmdebstrap npm"
done

work=$(mktemp -d -p "${TMPDIR:-/tmp}")
trap 'rm -rf "$work"' EXIT
# Where this machine takes its packages from, the image can as well.
sources=/etc/apt/sources.list.d/debian.sources
[ -s "$sources" ] || sources=/etc/apt/sources.list

say "fetching npm $npm"
mkdir -p "$work/npm"
(cd "$work" && npm pack --silent "npm@$npm" >/dev/null) || fail "npm cannot be fetched"
tar -xzf "$work/npm-$npm.tgz" -C "$work/npm" --strip-components=1

cat >"$work/customize" <<'END'
set -eu
root=$1
mkdir -p "$root/usr/lib/node_modules"
cp -r "$NPM" "$root/usr/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/bin/npx"
chmod +x "$root/usr/lib/node_modules/npm/bin/npm-cli.js" "$root/usr/lib/node_modules/npm/bin/npx-cli.js"
echo 'vcap:x:2000:' >>"$root/etc/group"
echo 'vcap:x:2000:2000::/home/vcap:/bin/bash' >>"$root/etc/passwd"
install -d -o 2000 -g 2000 "$root/home/vcap"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*
END
say "installing $packages (about a minute)"
start=$SECONDS
NPM=$work/npm TMPDIR=/dev/shm mmdebstrap --quiet --mode=root --variant=minbase \
    --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --customize-hook="sh $work/customize \"\$1\"" \
    --include="$packages" --format=tar "$suite" "$work/root.tar" "$sources" >&2 ||
    fail "the packages cannot be installed"
say "installed in $((SECONDS - start)) s; importing"
docker import --change 'WORKDIR /home/vcap' --change 'CMD ["/bin/sh"]' "$work/root.tar" "$image" >/dev/null
docker save "$image" | gzip -1 >"$archive.part"
mv "$archive.part" "$archive"
tag
