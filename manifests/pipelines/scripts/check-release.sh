#!/usr/bin/env bash
# Whether the tag REF (refs/tags/vX.Y.Z) is the version that everything here says it is. Names all that is otherwise.
set -euo pipefail
. "$(dirname "$0")/registry.sh"

[[ $REF =~ ^refs/tags/v((0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*))$ ]] ||
  fail "$REF is no version's tag: those are refs/tags/vX.Y.Z"
version=${BASH_REMATCH[1]}
wrong=()

# agrees WHAT FOUND
agrees() {
  [ "$2" = "$version" ] || wrong+=("the $1 is ${2:-not there}")
}

agrees "version in Cargo.toml" "$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)"
agrees "chart's version" "$(field version manifests/chart)"
agrees "chart's appVersion" "$(field appVersion manifests/chart)"
agrees "newTag in manifests/scaler" "$(sed -n 's/^    newTag: *//p' manifests/scaler/kustomization.yaml | tr -d '"')"
agrees "tag in manifests/scaler/Containerfile" "$(sed -n 's/^#.* --tag [^ ]*:\([^ ]*\) .*/\1/p' manifests/scaler/Containerfile)"
grep -qE "^## \[?${version//./\\.}(\]| |\$)" CHANGELOG.md || wrong+=("CHANGELOG.md has no section on it")
[ ${#wrong[@]} -eq 0 ] || fail "the tag is v$version, but: $(printf '%s; ' "${wrong[@]}")nothing is published"
printf '%s: the tag, Cargo.toml, the chart, manifests/scaler and CHANGELOG.md agree\n' "$version"
