#!/bin/sh
# Runs PgBouncer in transaction mode in front of a Postgres server, for as long as this script's standard input is open.
#
#   PGUSER=… PGPASSWORD=… sh pgbouncer.sh PORT-OF-POSTGRES
#   PGUSER=… PGPASSWORD=… CONFIGURATION=… sh pgbouncer.sh
#
# Prints one line, `ready PORT`, and then waits. Whoever is this user there with this password is it here, in every database.
# CONFIGURATION is a whole pgbouncer.ini instead of the one below; `@PORT@` and `@USERS@` in it are the port to listen on
# and the file of users. Exit code 3: there is no PgBouncer on this machine.
set -eu

# PgBouncer refuses to run as root. The script goes along as text: the other user may not be able to read the file.
step_down() {
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    script=$(cat "$0")
    exec setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- sh -c "$script" "$0" "$@"
}

finish() {
    # Output goes nowhere from here on: nobody may be left to read it.
    exec >/dev/null 2>&1
    kill "$pgbouncer"
    rm -rf "$directory"
}

# Named statements of its own making came with 1.21: they would hide a mistake of ours.
without_prepared_statements() {
    version=$(pgbouncer --version | sed -n 's/^PgBouncer 1\.\([0-9]*\).*/\1/p')
    if [ "${version:-0}" -ge 21 ]; then
        echo "max_prepared_statements = 0"
    fi
}

# A session serves many clients: whoever relies on its own finds another's.
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

# Below the range from which systems take the ports of outgoing connections.
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
# Debian keeps it beside the daemons.
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

# Ends with the end of standard input, which is the end of the process that holds it.
cat >/dev/null
