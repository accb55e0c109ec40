#!/usr/bin/env bash
# Pushes the chart in the folder CHART to oci://REGISTRY/CHARTS, unless this version is there already: a push would replace it
# in silence. Whoever can't say whether it is there, pushes nothing.
set -euo pipefail
. "$(dirname "$0")/registry.sh"

name=$(field name "$CHART")
version=$(field version "$CHART")
# A tag has no `+`; so Helm writes it, too.
manifest "$REGISTRY" "$CHARTS/$name" "${version//+/_}"
case $status in
  200) printf '%s %s is in the registry already (%s): nothing is pushed. What has changed needs a new version in Chart.yaml.\n' "$name" "$version" "$digest" ;;
  404)
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    helm package "$CHART" --destination "$place"
    helm push "$place/$name-$version.tgz" "oci://$REGISTRY/$CHARTS"
    ;;
  *) fail "$REGISTRY says $status when asked for $CHARTS/$name:${version//+/_}: nothing is pushed" ;;
esac
