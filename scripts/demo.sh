#!/bin/sh
# The demo: starts `plh mock-server`, sends samples/ to it over HTTP, shows what arrived, stops it.
#
# usage: scripts/demo.sh [DIRECTORY OF plh AND python]
#
# Exit 0 if every step succeeded. Uses nothing of the user's: no POSTHOG_… or PLH_… variables, no configuration, no
# state directory, no proxy; all it writes goes into a folder that it removes.
set -eu

cd "$(dirname "$0")/.."
bin=${1:-.venv/bin}
work=$(mktemp -d)
server=

stop_server() {
    [ -n "$server" ] || return 0
    kill -TERM "$server" 2>/dev/null || :
    stopped=0
    wait "$server" || stopped=$?
    server=
    return "$stopped"
}

clean_up() {
    status=$?
    trap - EXIT
    stop_server || :
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "demo: $1" >&2
    [ ! -s "$work/server.log" ] || { echo "demo: the server said:" >&2; tail -n 20 "$work/server.log" >&2; }
    exit 1
}

for name in $(env | sed -n -e 's/^\(POSTHOG_[A-Za-z0-9_]*\)=.*/\1/p' -e 's/^\(PLH_[A-Za-z0-9_]*\)=.*/\1/p'); do
    unset "$name" || :
done
export HOME="$work/home" XDG_CONFIG_HOME="$work/config" XDG_STATE_HOME="$work/state" XDG_DATA_HOME="$work/data"
export XDG_CACHE_HOME="$work/cache" PYTHONIOENCODING=utf-8
export NO_PROXY='127.0.0.1,localhost' no_proxy='127.0.0.1,localhost'
mkdir "$HOME"

echo "== plh mock-server, on a free port"
"$bin/plh" mock-server --port 0 >"$work/server.log" 2>&1 &
server=$!
tries=0
until url=$(sed -n 's/^listening on \(http:[^ ]*\).*/\1/p' "$work/server.log") && [ -n "$url" ]; do
    kill -0 "$server" 2>/dev/null || fail "the server did not start"
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || fail "the server did not start within 30 seconds"
    sleep 0.2 2>/dev/null || sleep 1
done
echo "listening on $url"

echo
echo "== plh send samples/ --host $url --api-key phc_demo…"
sent=0
"$bin/plh" send samples/ --host "$url" --api-key phc_demo_of_plh_no_real_project_key \
    --dead-letter "$work/dead-letters.jsonl" --yes || sent=$?
[ "$sent" -eq 0 ] || fail "plh send ended with exit code $sent"

echo
echo "== GET $url/events"
"$bin/python" -m posthog_llm_cli.mockserver.show "$url" || fail "nothing arrived"

stop_server || fail "the server ended with an error"
echo
echo "The demo is done. Rehearse with your own logs: $bin/plh validate FILE, then $bin/plh send --dry-run FILE"
