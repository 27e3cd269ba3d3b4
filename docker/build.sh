#!/usr/bin/env bash
# Builds the daemon into PREFIX, a folder that holds all it needs but Python itself and libgmp10.
#
#   docker/build.sh PREFIX build     compile and install (wants a compiler and libgmp-dev; brings them by apt-get as root)
#   docker/build.sh PREFIX runtime   bring what an installed PREFIX needs to run, and try it
#
# Run it in the folder above this one. The image runs the two in separate stages, so that no compiler stays behind.
set -euo pipefail

prefix=${1:?usage: docker/build.sh PREFIX build|runtime}
mode=${2:?usage: docker/build.sh PREFIX build|runtime}
python=${PYTHON:-python3.11}
# The user that the image runs as, by number: it needs no account.
uid=10001

apt_install() {
    if [ "$(id -u)" != 0 ]; then
        echo "missing Debian packages: run apt-get install $* as root" >&2
        exit 1
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q --yes --no-install-recommends "$@"
    rm -rf /var/lib/apt/lists/*
}

build() {
    printf '#include <stdio.h>\n#include <gmp.h>\n' | gcc -E - >/dev/null 2>&1 || apt_install gcc libc6-dev libgmp-dev
    local work
    work=$(mktemp -d)
    trap "rm -rf '$work'" EXIT
    "$python" -m venv "$work/builder"
    local -a pip=("$work/builder/bin/python" -m pip --disable-pip-version-check --quiet)
    "${pip[@]}" install --require-hashes -r requirements-build.lock
    "${pip[@]}" wheel --no-build-isolation --require-hashes -r requirements.lock -w "$work/wheels"
    "${pip[@]}" wheel --no-build-isolation --no-deps -w "$work/wheels" .
    "$python" -m venv --without-pip "$prefix"
    "${pip[@]}" --python "$prefix/bin/python" install --no-index --no-deps "$work"/wheels/*.whl
}

runtime() {
    ldconfig_path=$(command -v ldconfig || echo /sbin/ldconfig)
    "$ldconfig_path" -p | grep -q 'libgmp\.so\.10' || apt_install libgmp10
    mkdir -p "$prefix/data"
    [ "$(id -u)" != 0 ] || chown "$uid:$uid" "$prefix/data"
    "$prefix/bin/python" -c 'import fastecdsa.curve, libp2p, eth, plyvel'
    "$prefix/bin/shardnet" --help >/dev/null
}

case $mode in
    build | runtime) "$mode" ;;
    *) echo "unknown mode $mode: build or runtime" >&2; exit 2 ;;
esac
