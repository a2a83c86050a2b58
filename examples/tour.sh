#!/usr/bin/env bash
# Install this checkout into .venv, if need be, and run an example cold, warm and edited: bash examples/tour.sh
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE PYTHONPATH VIRTUAL_ENV

if [ -x .venv/bin/python ]; then
  python=.venv/bin/python
elif [ -x .venv/Scripts/python.exe ]; then
  python=.venv/Scripts/python.exe
else
  echo "making .venv" >&2
  if command -v uv >/dev/null; then uv venv --quiet .venv; else "$(command -v python3 || command -v python)" -m venv .venv; fi
  python=.venv/bin/python
  [ -x "$python" ] || python=.venv/Scripts/python.exe
fi
if ! "$python" -c 'import strata_kernel, sklearn, pandas, matplotlib' 2>/dev/null; then
  echo "installing strata and what the examples need (once)" >&2
  # The commands need no lab extension, so this needs no Node.
  export HATCH_JUPYTER_BUILDER_SKIP_NPM=true
  if command -v uv >/dev/null; then
    uv pip install --quiet --compile-bytecode --python "$python" '.[examples]'
  else
    "$python" -m pip install --quiet '.[examples]'
  fi
fi
exec "$python" examples/tour.py "$@"
