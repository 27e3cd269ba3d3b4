#!/usr/bin/env bash
# Makes .venv, from which everything else runs. A second run with unchanged lock files returns at once.
#
#   tools/setup.sh          what the daemon, the tests and the checks need from Python
#   tools/setup.sh checks   also the contract compiler (.venv-vyper), docker-compose and Chromium, for make check and make test
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-base}
python=${PYTHON:-python3.11}
log=.venv-setup.log

say() { printf 'setup: %s\n' "$*"; }

# Only one setup at a time: make targets may be started side by side.
exec 9>.venv-setup.lock
flock 9

# The part of pyproject.toml that the installed package depends on.
packaging() { sed -n '1,/^# ---/p' pyproject.toml; }

key_of() { { cat "$@"; packaging; "$python" -VV; pwd -P; } | sha256sum | cut -d' ' -f1; }

is_fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

run() {
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        say "failed: $*"
        exit 1
    fi
}

# The Debian packages that are missing for what "$mode" needs, one a line.
missing_packages() {
    command -v "$python" >/dev/null || { printf '%s\n' python3.11 python3.11-venv python3.11-dev gcc libc6-dev libgmp-dev; return; }
    command -v gcc >/dev/null || echo gcc
    echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || echo libc6-dev
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3.11-venv
    local include
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -f "$include/Python.h" ] || echo python3.11-dev
    # fastecdsa, which libp2p needs, exists as source only and is built against GMP.
    echo '#include <gmp.h>' | gcc -E - >/dev/null 2>&1 || echo libgmp-dev
    [ "$mode" = base ] || command -v docker-compose >/dev/null || echo docker-compose
    # With which networks of namespaces are made.
    [ "$mode" = base ] || command -v ip >/dev/null || echo iproute2
    # In which the explorer is tested.
    [ "$mode" = base ] || command -v chromium >/dev/null || echo chromium
}

install_packages() {
    local -a packages
    mapfile -t packages < <(missing_packages)
    [ "${#packages[@]}" -gt 0 ] || return 0
    local -a as_root=()
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            say "Debian packages are missing. Run this once, then start again:"
            echo "    sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${packages[*]}"
            exit 1
        fi
    fi
    say "Debian packages: ${packages[*]}"
    run "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
    run "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q --yes --no-install-recommends "${packages[@]}"
}

make_environment() {
    local stamp=.venv/.stamp key
    key=$(key_of requirements-build.lock requirements.lock requirements-dev.lock tools/setup.sh)
    is_fresh "$stamp" "$key" && return 0
    install_packages
    [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || { say "making .venv"; rm -rf .venv; run "$python" -m venv .venv; }
    rm -f "$stamp"
    local -a pip=(.venv/bin/python -m pip --disable-pip-version-check install --quiet --no-input)
    say "Python packages (a few minutes the first time)"
    run "${pip[@]}" --require-hashes -r requirements-build.lock
    run "${pip[@]}" --no-build-isolation --require-hashes -r requirements.lock -r requirements-dev.lock
    run "${pip[@]}" --no-build-isolation --no-deps -e .
    printf '%s' "$key" >"$stamp"
    say ".venv is ready"
}

make_compiler() {
    local stamp=.venv-vyper/.stamp key
    key=$(key_of requirements-build.lock requirements-vyper.lock tools/setup.sh)
    is_fresh "$stamp" "$key" && return 0
    say "contract compiler (.venv-vyper)"
    rm -rf .venv-vyper
    run "$python" -m venv .venv-vyper
    run .venv-vyper/bin/python -m pip --disable-pip-version-check install --quiet --no-input --require-hashes -r requirements-vyper.lock
    printf '%s' "$key" >"$stamp"
}

command -v "$python" >/dev/null || install_packages
make_environment
if [ "$mode" = checks ]; then
    install_packages
    make_compiler
fi
