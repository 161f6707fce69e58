#!/bin/sh
# Runs a temporary PostgreSQL cluster while this script's standard input is open.
#
#   [TLS_CERTIFICATE=… TLS_KEY=…] sh cluster.sh [argument of initdb]…
#
# With a certificate and key in PEM format, the cluster offers TLS and requires it of every role but the superuser.
#
# Prints `ready postgres://postgres:PASSWORD@127.0.0.1:PORT/postgres?sslmode=disable`, and then waits. The parent
# process holds the other end of standard input; when it ends for any reason, the cluster stops and its directory is
# removed. Exit code 3: PostgreSQL is not installed.
set -eu

find_binaries() {
    if initdb=$(command -v initdb) && command -v pg_ctl >/dev/null; then
        dirname "$initdb"
        return
    fi
    # Debian keeps them off the PATH, in a directory per version.
    for initdb in $(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort --version-sort --reverse); do
        dirname "$initdb"
        return
    done
    echo "no PostgreSQL found" >&2
    exit 3
}

# PostgreSQL refuses to run as root. The script is passed as text, because the other user may not be able to read the
# file.
step_down() {
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    script=$(cat "$0")
    if command -v setpriv >/dev/null; then
        exec setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- sh -c "$script" "$0" "$@"
    fi
    exec su -s /bin/sh "$user" -c "$script" -- "$0" "$@"
}

finish() {
    # No output from here on: there may be no reader.
    exec >/dev/null 2>&1
    "$binaries/pg_ctl" --pgdata "$directory/data" --mode immediate stop
    rm -rf "$directory"
}

# The superuser's password is sent in clear text, which is fast and only on loopback; every other role uses SCRAM.
configure() {
    cat >>"$directory/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
fsync = off
synchronous_commit = off
full_page_writes = off
END
    others=host
    if [ -n "${TLS_KEY-}" ]; then
        others=hostssl
        echo "$TLS_CERTIFICATE" >"$directory/data/server.crt"
        echo "$TLS_KEY" >"$directory/data/server.key"
        echo "ssl = on" >>"$directory/data/postgresql.conf"
    fi
    cat >"$directory/data/pg_hba.conf" <<END
host all postgres 127.0.0.1/32 password
host replication postgres 127.0.0.1/32 password
$others all all 127.0.0.1/32 scram-sha-256
END
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

# The tests read errors from the same pipe as the line `ready`.
exec 2>&1
binaries=$(find_binaries) || { code=$?; echo "$binaries"; exit "$code"; }
if [ "$(id -u)" = 0 ]; then
    step_down "$@"
fi

cd /
umask 077
parent=${TMPDIR:-/tmp}
[ -w "$parent" ] && [ -x "$parent" ] || parent=/tmp
directory=$(mktemp -d "$parent/image-gallery-postgres.XXXXXX")
trap finish EXIT
trap 'exit 1' HUP INT TERM PIPE

password=$(od -A n -N 16 -t x1 /dev/urandom | tr -d ' \n')
echo "$password" >"$directory/password"
"$binaries/initdb" --pgdata "$directory/data" --username postgres --pwfile "$directory/password" --auth password \
    --encoding UTF8 --locale C --no-sync "$@" >"$directory/initdb" || { cat "$directory/initdb"; exit 1; }
configure
start
echo "ready postgres://postgres:$password@127.0.0.1:$port/postgres?sslmode=disable"

# Blocks until standard input ends, when the parent process ends.
cat >/dev/null
