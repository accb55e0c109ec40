#!/usr/bin/env bash
# Builds an image from each folder in CONTEXTS, named by its architecture, and pushes them as one, REGISTRY/REPOSITORY:X.Y.Z (the tag
# REF is refs/tags/vX.Y.Z), unless this version is there already: what people pin is not replaced. Whoever can't say whether it is
# there, pushes nothing.
set -euo pipefail
. "$(dirname "$0")/registry.sh"

version=${REF#refs/tags/v}
manifest "$REGISTRY" "$REPOSITORY" "$version"
case $status in
  200) printf '%s:%s is in the registry already (%s): nothing is pushed\n' "$REPOSITORY" "$version" "$digest" ;;
  404)
    list=localhost/$REPOSITORY:$version
    # Of a run that was cut off.
    buildah manifest rm "$list" >/dev/null 2>&1 || true
    buildah manifest create "$list" >/dev/null
    for context in "$CONTEXTS"/*; do
      buildah build --isolation chroot --platform "linux/${context##*/}" --manifest "$list" "$context"
    done
    configuration=${DOCKER_CONFIG:-$HOME/.docker}/config.json
    [ ! -e "$configuration" ] || export REGISTRY_AUTH_FILE=$configuration
    # The list is the last that is pushed, so the version is there as a whole or not at all.
    buildah manifest push --all "$list" "docker://$REGISTRY/$REPOSITORY:$version"
    printf 'Pushed: %s/%s:%s\n' "$REGISTRY" "$REPOSITORY" "$version"
    ;;
  *) fail "$REGISTRY says $status when asked for $REPOSITORY:$version: nothing is pushed" ;;
esac
