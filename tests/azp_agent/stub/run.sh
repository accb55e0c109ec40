#!/bin/bash
# As the real one: starts the listener and ends as it does.
DIR=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$DIR"/bin/Agent.Listener run "$@"
exit $?
