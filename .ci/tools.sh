# shellcheck shell=bash
# What several checks install by name. To be sourced.

helm_module=helm.sh/helm/v3/cmd/helm@v3.22.0

# Helm: what is there, else as a Go module. Fails where it can't be had.
ensure_helm() {
  PATH=$PATH:$(go env GOPATH 2>/dev/null || true)/bin
  command -v helm >/dev/null || { command -v go >/dev/null && go install "$helm_module" >&2; }
}

# ensure_packages PACKAGE...: of the distribution, where they are not there already and we may install them. Fails where they can't be
# had.
ensure_packages() {
  dpkg --status "$@" >/dev/null 2>&1 && return
  command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] &&
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >&2
}
