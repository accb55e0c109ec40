#!/bin/bash
# As the real one: starts the listener and ends as it does; or starts it once more where that one has updated itself.
DIR=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$DIR"/bin/Agent.Listener run "$@"
code=$?
if [ "$code" -eq 4 ]; then
  "$DIR"/bin/Agent.Listener run "$@"
else
  exit "$code"
fi
