#!/usr/bin/env bash
# Writes down what the version of the tag REF is by digest: image and chart, as the registry has them now, in FILES/DIGESTS; and the
# files in FILES/SHA256SUMS.
set -euo pipefail
. "$(dirname "$0")/registry.sh"

version=${REF#refs/tags/v}
: >"$FILES/DIGESTS"
for name in "$REPOSITORY" "$CHARTS/$(field name "$CHART")"; do
  manifest "$REGISTRY" "$name" "$version"
  [ "$status" = 200 ] && [ -n "$digest" ] || fail "$REGISTRY says $status when asked for $name:$version"
  printf '%s:%s %s\n' "$name" "$version" "$digest" | tee --append "$FILES/DIGESTS"
done
sums=$(cd "$FILES" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort --zero-terminated | xargs --null sha256sum)
printf '%s\n' "$sums" >"$FILES/SHA256SUMS"
