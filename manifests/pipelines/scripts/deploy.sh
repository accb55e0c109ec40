#!/usr/bin/env bash
# Installs or upgrades RELEASE in NAMESPACE: the chart named by the folder CHART, in its version, from oci://REGISTRY/CHARTS, with
# the image REGISTRY/REPOSITORY:TAG, pinned by the digest that the tag has now, and the file VALUES, if it is given. Waits for
# TIMEOUT until all of it is ready; else the release before is put back, or a first one removed.
set -euo pipefail
. "$(dirname "$0")/registry.sh"

name=$(field name "$CHART")
version=$(field version "$CHART")
manifest "$REGISTRY" "$REPOSITORY" "$TAG"
[ "$status" = 200 ] && [ -n "$digest" ] || fail "$REGISTRY says $status when asked for $REPOSITORY:$TAG: nothing is deployed"
printf '%s:%s is %s\n' "$REPOSITORY" "$TAG" "$digest"
helm upgrade --install "$RELEASE" "oci://$REGISTRY/$CHARTS/$name" --version "$version" --namespace "$NAMESPACE" \
  ${VALUES:+--values "$VALUES"} --set-string "image.repository=$REGISTRY/$REPOSITORY" --set-string "image.digest=$digest" \
  --atomic --timeout "$TIMEOUT" || {
  # The pods are gone with the release; what was said of them is not.
  kubectl --namespace "$NAMESPACE" get events --field-selector type=Warning --sort-by .lastTimestamp | tail -n 20 || true
  fail "$RELEASE is not deployed"
}
