# shellcheck shell=bash disable=SC2034
# Sourced by install.sh and uninstall.sh: where the router's files go. PREFIX is /usr/local unless
# given; DESTDIR stands in front of every path, for packages that are put together elsewhere.
prefix=${PREFIX:-/usr/local}
sysconfdir=${SYSCONFDIR:-/etc}
destdir=${DESTDIR:-}

bindir=$prefix/bin
mandir=$prefix/share/man/man1
bash_completions=$prefix/share/bash-completion/completions
zsh_completions=$prefix/share/zsh/site-functions
fish_completions=$prefix/share/fish/vendor_completions.d
unitdir=$prefix/lib/systemd/system
unit=switchyard-router.service
config=$sysconfdir/switchyard/router.yml
environment=$sysconfdir/switchyard/router.env
