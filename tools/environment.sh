#!/bin/sh
# Makes or brings up to date the virtual environment .venv with the extras that are asked for.
#
#     sh tools/environment.sh infra,local
#
# Does nothing when the extras are there and neither pyproject.toml nor constraints.txt changed since.
# Needs Python 3.11 or newer; looks for python3.14 down to python3.11, then python3. PYTHON=... names one.
set -eu
cd "$(dirname "$0")/.."

extras=$1
stamp_folder=.venv/installed
# what an environment was made from: a change of any of it makes it anew
fingerprint=$(cat pyproject.toml constraints.txt tools/environment.sh | cksum | tr -d ' \t')

have() { # have EXTRA: was this extra installed from the same files?
    [ -f "$stamp_folder/$1" ] && [ "$(cat "$stamp_folder/$1")" = "$fingerprint" ]
}

complete=yes
for extra in $(echo "$extras" | tr ',' ' '); do
    have "$extra" || complete=no
done
# an environment that was moved or whose Python was removed is made anew
[ -x .venv/bin/python ] && .venv/bin/python -c 'import ddb_pipeline' 2>/dev/null || complete=no
[ "$complete" = no ] || exit 0

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=
    found=
    without_venv=
    for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
        # a shim may be on the path and still not run
        version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        found="$found $candidate ($version)"
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' || continue
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            python=$candidate
            break
        fi
        without_venv=${without_venv:-$version}
    done
    if [ -z "$python" ] && [ -n "$without_venv" ]; then
        echo "Python $without_venv is here, but lacks the modules venv and ensurepip, which make environments." >&2
        echo "On Debian and Ubuntu: sudo apt-get install python$without_venv-venv" >&2
        exit 1
    fi
    if [ -z "$python" ]; then
        echo "Python 3.11 to 3.14 is needed; found here:${found:- none}." >&2
        echo "Install one (https://www.python.org/downloads), or name it: make PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    echo "Making .venv with Python $version (once: about 240 MB to download, 1 to 4 minutes) ..."
    rm -rf .venv
    "$python" -m venv .venv
else
    echo "Bringing .venv up to date ..."
fi

log=.venv/install.log
if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --constraint constraints.txt --editable ".[$extras]" >"$log" 2>&1; then
    cat "$log" >&2
    echo "The packages could not be installed: the lines above say why. Then run the same command again." >&2
    exit 1
fi
mkdir -p "$stamp_folder"
for extra in $(echo "$extras" | tr ',' ' '); do
    echo "$fingerprint" >"$stamp_folder/$extra"
done
