#!/usr/bin/env bash
# Stops what `make up` or `make router` started, by pid and start time, and nothing else. Repeating it is
# harmless. With `router` it stops only what `make router` started.
. "$(dirname "${BASH_SOURCE[0]}")/shell.sh"

stopped=0
for server in sample router nats; do
    file=$root/.up/$server.pid
    if server_alive "$file"; then
        stop_server "$file"
        say "stopped $server"
        stopped=$((stopped + 1))
    else
        rm -f "$file"
    fi
done
[ "${1:-}" != router ] || exit 0

. "$root/scripts/cloud_paths.sh"
if kato_runs; then
    kato stop dea controller health-manager
    stop_apps
    kato stop
    say "apps were stopped too; the next \`make up\` starts them again"
    stopped=$((stopped + 1))
fi
[ "$stopped" -gt 0 ] || say "nothing of ours was running"
