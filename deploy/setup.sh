#!/usr/bin/env bash
# Makes the virtual environment $VENV with uv; fetches uv first where it is missing.
set -euo pipefail
: "${PYTHON:=python3}" "${VENV:=.venv}"

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "xdb needs Python 3.11 or newer, and '$PYTHON' is not one. Set it with: make PYTHON=python3.12 ..." >&2
  exit 1
fi
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  uv=.uv/bin/uv
  if [ ! -x "$uv" ]; then
    "$PYTHON" -m venv .uv || {
      echo "Could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2
      exit 1
    }
    .uv/bin/python -m pip install --quiet --disable-pip-version-check uv
  fi
fi
interpreter=$("$PYTHON" -c 'import sys; print(sys.executable)')
"$uv" venv --quiet --allow-existing --python "$interpreter" "$VENV"
"$uv" pip install --quiet --python "$VENV/bin/python" --require-hashes --requirement deploy/requirements.lock
"$uv" pip install --quiet --python "$VENV/bin/python" --no-deps --editable .
