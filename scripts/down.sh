#!/usr/bin/env bash
# Stops what up.sh started, by pid and start time, and nothing else. Repeating it is harmless.
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
[ "$stopped" -gt 0 ] || say "nothing of ours was running"
