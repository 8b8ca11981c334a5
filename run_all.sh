#!/usr/bin/env bash
# Sets up .venv when it is missing or older than requirements.lock, then runs the project.
#   bash run_all.sh [--scale smoke|tiny|small|paper] [--paper NAME]... [--arms core|all] [--jobs N]
#   bash run_all.sh test [pytest options]
set -euo pipefail
house=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
venv=$house/.venv

say() { printf '%s\n' "$*" >&2; }

find_python() {  # the lock was made with 3.11, so that one first
    local name
    for name in python3.11 python3.12 python3.13 python3 python; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"; return
        fi
    done
    say "run_all.sh needs Python 3.11 or newer with its venv module, and found none; install it and call again."
    return 1
}

set_up() {
    local python; python=$(find_python)
    say "Setting up .venv from requirements.lock (once; a few minutes) ..."
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # A package that comes as source is built apart, with its own tools: built in place (as an old pip does) wavedrom fails.
    "$venv/bin/python" -m pip install -qq --no-input --disable-pip-version-check --no-compile --use-pep517 -r "$house/requirements.lock"
    say "Packages are in; compiling them ..."  # pip would do it on one core, in twice the time
    "$venv/bin/python" -W ignore -m compileall -qq -j 0 -x '/tests?/' "$venv/lib" || true
    printf '%s' "$lock" > "$venv/lock.stamp"  # last, so that a set-up cut short is made anew
    say "Set-up done after $SECONDS s."
}

lock=$(cksum < "$house/requirements.lock")
[[ -x $venv/bin/python && -f $venv/lock.stamp && $(< "$venv/lock.stamp") == "$lock" ]] || set_up

if [[ ${1-} == test ]]; then
    shift
    cd -- "$house"
    exec env OMP_NUM_THREADS=1 "$venv/bin/python" -m pytest -n 2 "$@"
fi
exec env PYTHONPATH="$house" "$venv/bin/python" -P -m repro all "$@"
