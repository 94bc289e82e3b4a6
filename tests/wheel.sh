#!/bin/bash
# Builds the wheel with and without a compiler and uses each as a stranger would: tests/wheel.sh PYTHON
# Each is installed into an empty environment, without a checkout, and the demo runs from the compiled one.
set -euo pipefail
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$(pwd)
export XDG_STATE_HOME=$work/state XDG_DATA_HOME=$work/data

try() {                # NAME EXPECTED-KERNEL
  mkdir "$work/$1" "$work/$1.empty"
  # The checkout may belong to somebody else than who runs this, as in a container.
  git -c safe.directory='*' ls-files -z | xargs -0 cp --parents -t "$work/$1"
  (cd "$work/$1" && "$root/.venv/bin/python" -m build --wheel --no-isolation --outdir "$work/$1/dist" . > "$work/$1.log" 2>&1) \
    || { tail -n 30 "$work/$1.log"; return 1; }
  "$python" -m venv "$work/$1.venv"
  "$work/$1.venv/bin/pip" --disable-pip-version-check --quiet install --require-hashes -r "$root/requirements.txt"
  "$work/$1.venv/bin/pip" --disable-pip-version-check --quiet install --no-deps "$work/$1/dist/"*.whl
  cd "$work/$1.empty"
  dbmux=$work/$1.venv/bin/dbmux
  "$dbmux" --version | tee version
  grep -q "$2" version
  "$dbmux" init
  "$dbmux" check
  "$dbmux" help > pages
  grep -q errors pages
  "$dbmux" help errors > /dev/null
  "$dbmux" playground list > recipes
  grep -q two-versions recipes
  serve
  cd "$root"
}

serve() {              # without a file, in front of a server that is down
  "$dbmux" serve --backend 127.0.0.1:1 --listen 127.0.0.1:0 > served 2>&1 &
  local pid=$!
  for _ in {1..100}; do
    grep -q "in the application: host 127.0.0.1" served && break
    sleep 0.1
  done
  kill $pid
  wait $pid || { cat served; return 1; }
  grep -q "127.0.0.1:1 is down" served || { cat served; return 1; }
}

try compiled "compiled kernel"
"$work/compiled.venv/bin/dbmux" demo < /dev/null
CC=/bin/false try pure "pure Python kernel"
# The fast tests run with what is compiled; here they run without.
(cd "$work/pure" && "$root/.venv/bin/python" -m pytest -q -n auto -m "not real" tests/backend tests/frontend)
echo "wheel: compiled and pure both work"
