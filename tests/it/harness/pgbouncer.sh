#!/bin/sh
# Runs PgBouncer in transaction mode in front of a Postgres server while this script's standard input is open.
#
#   PGUSER=… PGPASSWORD=… sh pgbouncer.sh PORT-OF-POSTGRES
#   PGUSER=… PGPASSWORD=… CONFIGURATION=… sh pgbouncer.sh
#
# Prints `ready PORT`, and then waits. The user and password of the server are valid here too, in every database.
# CONFIGURATION is a complete pgbouncer.ini that replaces the one below; `@PORT@` and `@USERS@` in it are the port to
# listen on and the file of users. Exit code 3: PgBouncer is not installed.
set -eu

# PgBouncer refuses to run as root. The script is passed as text, because the other user may not be able to read the
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
    kill "$pgbouncer"
    rm -rf "$directory"
}

# Since 1.21 it manages named statements itself, which would hide our mistakes.
without_prepared_statements() {
    version=$(pgbouncer --version | sed -n 's/^PgBouncer 1\.\([0-9]*\).*/\1/p')
    if [ "${version:-0}" -ge 21 ]; then
        echo "max_prepared_statements = 0"
    fi
}

# A session serves many clients, so code that relies on its own session fails.
configure() {
    echo "\"$PGUSER\" \"$PGPASSWORD\"" >"$directory/users"
    if [ -n "${CONFIGURATION:-}" ]; then
        printf '%s\n' "$CONFIGURATION" | sed "s|@PORT@|$port|; s|@USERS@|$directory/users|" >"$directory/pgbouncer.ini"
        return
    fi
    cat >"$directory/pgbouncer.ini" <<END
[databases]
* = host=127.0.0.1 port=$1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $directory/users
pool_mode = transaction
default_pool_size = 3
max_client_conn = 1000
server_idle_timeout = 5
server_login_retry = 1
query_wait_timeout = 10
$(without_prepared_statements)
END
}

# Below the usual range of ephemeral ports.
random_port() {
    echo $((10000 + $(od -A n -N 2 -t u2 /dev/urandom) % 20000))
}

is_listening() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        kill -0 "$pgbouncer" 2>/dev/null || return 1
        grep -q "listening on 127.0.0.1:$port" "$directory/log" 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}

start() {
    for _ in 1 2 3 4 5 6 7 8; do
        port=$(random_port)
        configure "${1:-}"
        pgbouncer "$directory/pgbouncer.ini" </dev/null >"$directory/log" 2>&1 &
        pgbouncer=$!
        if is_listening; then
            return
        fi
        kill "$pgbouncer" 2>/dev/null || true
    done
    cat "$directory/log"
    exit 1
}

exec 2>&1
# Debian installs it with the daemons.
PATH=$PATH:/usr/sbin
command -v pgbouncer >/dev/null || exit 3
if [ "$(id -u)" = 0 ]; then
    step_down "$@"
fi

cd /
umask 077
parent=${TMPDIR:-/tmp}
[ -w "$parent" ] && [ -x "$parent" ] || parent=/tmp
directory=$(mktemp -d "$parent/image-gallery-pgbouncer.XXXXXX")
pgbouncer=
trap finish EXIT
trap 'exit 1' HUP INT TERM PIPE
start "${1:-}"
echo "ready $port"

# Blocks until standard input ends, when the parent process ends.
cat >/dev/null
