# shellcheck shell=bash
# Runs the parts of a check one after the other and sums up. To be sourced.

names=() results=() seconds=() failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# part NAME COMMAND...: runs a command, shows what it prints, and keeps how it ended and how long it took.
part() {
  local name=$1 start=$SECONDS
  shift
  printf '\n==== %s: %s\n' "$name" "${shown-$*}"
  if "$@" 2>&1 | tee -a "$log"; then
    results+=("ok")
  else
    results+=("FAILED")
    failed=$((failed + 1))
  fi
  names+=("$name")
  seconds+=($((SECONDS - start)))
}

declare -A begun=()

# begin NAME COMMAND...: starts a command that mostly waits, beside the parts that follow.
begin() {
  local name=$1 said
  shift
  said=$(mktemp)
  "$@" >"$said" 2>&1 &
  begun[$name]="$! $SECONDS $said $*"
}

# end NAME: waits for what was begun, and makes it a part.
end() {
  local pid start said command code=0
  read -r pid start said command <<<"${begun[$1]}"
  wait "$pid" || code=$?
  shown=$command part "$1" replay "$said" "$code"
  seconds[-1]=$((SECONDS - start))
}

# replay FILE CODE: what a command has said, and how it ended.
replay() {
  cat "$1"
  rm "$1"
  return "$2"
}

# skip NAME WHY: says loudly what was not checked.
skip() {
  printf '\n==== %s: SKIPPED: %s\n' "$1" "$2"
  names+=("$1") results+=("SKIPPED") seconds+=(0)
  skipped=$((skipped + 1))
}

# finish: the table of parts, the tests counted, and the exit code.
finish() {
  local passed broken ignored i
  read -r passed broken ignored < <(awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 } END { print passed + 0, failed + 0, ignored + 0 }' "$log")
  printf '\n==== summary\n'
  for i in "${!names[@]}"; do
    printf '%-32s %-8s %5d s\n' "${names[$i]}" "${results[$i]}" "${seconds[$i]}"
  done
  printf '%-32s %-8s %5d s\n' "all" "" "$SECONDS"
  printf 'parts: %d, failed: %d, skipped: %d\n' "${#names[@]}" "$failed" "$skipped"
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$broken" "$ignored"
  [ "$failed" -eq 0 ] && [ "$broken" -eq 0 ] && [ "$passed" -gt 0 ]
}
