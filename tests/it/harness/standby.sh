#!/bin/sh
# Runs a streaming standby of a temporary cluster while this script's standard input is open.
#
#   PGPASSWORD=… sh standby.sh PORT-OF-THE-CLUSTER DIRECTORY-OF-POSTGRES-PROGRAMS
#
# Prints `ready PORT`, and then waits.
set -eu

# PostgreSQL refuses to run as root. The script is passed as text, because the other user may not be able to read the
# file.
step_down() {
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    script=$(cat "$0")
    exec setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- sh -c "$script" "$0" "$@"
}

finish() {
    # No output from here on: there may be no reader.
    exec >/dev/null 2>&1
    "$binaries/pg_ctl" --pgdata "$directory/data" --mode immediate stop
    rm -rf "$directory"
}

# Below the usual range of ephemeral ports.
random_port() {
    echo $((10000 + $(od -A n -N 2 -t u2 /dev/urandom) % 20000))
}

start() {
    for _ in 1 2 3 4 5 6 7 8; do
        port=$(random_port)
        if "$binaries/pg_ctl" --pgdata "$directory/data" --log "$directory/log" --options "-p $port" --wait start \
            </dev/null >/dev/null 2>&1; then
            return
        fi
    done
    cat "$directory/log" >&2
    exit 1
}

exec 2>&1
if [ "$(id -u)" = 0 ]; then
    step_down "$@"
fi
binaries=$2

cd /
umask 077
parent=${TMPDIR:-/tmp}
[ -w "$parent" ] && [ -x "$parent" ] || parent=/tmp
directory=$(mktemp -d "$parent/image-gallery-standby.XXXXXX")
trap finish EXIT
trap 'exit 1' HUP INT TERM PIPE

"$binaries/pg_basebackup" --pgdata "$directory/data" --host 127.0.0.1 --port "$1" --username postgres --no-password \
    --write-recovery-conf --checkpoint fast --no-sync
start
echo "ready $port"

# Blocks until standard input ends, when the parent process ends.
cat >/dev/null
