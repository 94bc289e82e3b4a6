#!/bin/bash
# Builds the wheel with and without a compiler and tries each in an empty environment: tests/wheel.sh PYTHON
set -euo pipefail
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$(pwd)

try() {                # NAME EXPECTED-KERNEL: build in a copy, install, run from an empty folder
  mkdir "$work/$1"
  git ls-files -z | xargs -0 cp --parents -t "$work/$1"
  (cd "$work/$1" && "$root/.venv/bin/python" -m build --wheel --no-isolation --outdir "$work/$1/dist" . > "$work/$1.log" 2>&1) \
    || { tail -n 30 "$work/$1.log"; return 1; }
  "$python" -m venv "$work/$1.venv"
  "$work/$1.venv/bin/pip" --disable-pip-version-check --quiet install --require-hashes -r "$root/requirements.txt"
  "$work/$1.venv/bin/pip" --disable-pip-version-check --quiet install --no-deps "$work/$1/dist/"*.whl
  mkdir "$work/$1.empty"
  cd "$work/$1.empty"
  local dbmux=$work/$1.venv/bin/dbmux
  "$dbmux" --version | tee version
  grep -q "$2" version
  "$dbmux" init
  "$dbmux" check
  "$dbmux" help > pages
  grep -q errors pages
  "$dbmux" help errors > /dev/null
  "$dbmux" playground list | grep -q two-versions
  cd "$root"
}

try compiled "compiled kernel"
CC=/bin/false try pure "pure Python kernel"
echo "wheel: compiled and pure both work"
