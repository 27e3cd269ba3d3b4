#!/usr/bin/env bash
# Rewrites the lock files from the requirements*.in files. Run it by hand (`make lock`) when a pin has to move.
# The lock files hold names, versions and hashes only: where packages come from is the reader's own choice.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -x .venv-lock/bin/pip-compile ]; then
    python3.11 -m venv .venv-lock
    .venv-lock/bin/pip install --quiet --disable-pip-version-check pip-tools
fi
for name in requirements-build requirements requirements-dev requirements-vyper; do
    echo "lock: $name"
    .venv-lock/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
        --no-header --strip-extras --allow-unsafe --output-file "$name.lock" "$name.in"
done
