#!/usr/bin/env bash
# sbom.sh ARCHITECTURE: writes the bill of materials (CycloneDX 1.5) of azp-scaler for x86_64 or aarch64, and prints its path. What is
# linked is `required`; what only builds it, `excluded`. The same commit gives the same file. Needs cargo-cyclonedx and jq.
set -euo pipefail
cd "$(dirname "$0")/../../.."

version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=azp-scaler-$version-$1
place=target/sbom
mkdir -p "$place"

# crates ARCHITECTURE EDGES: what Cargo resolves for this target by these kinds of dependencies.
crates() {
  cargo tree --locked --target "$1-unknown-linux-gnu" --edges "$2" --prefix none --format '{p}' | cut -d ' ' -f 1,2 | jq --raw-input . | jq --slurp unique
}

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$1-unknown-linux-gnu" --override-filename "$name" >&2
trap 'rm -f "$name.json" "$place/linked.json" "$place/built.json"' EXIT
crates "$1" normal,no-proc-macro >"$place/linked.json"
crates "$1" normal,build >"$place/built.json"
# It lists what any features would take, those of the tests too: that goes. And where this was checked out is nobody's business.
jq --arg here "path+file://$PWD" --slurpfile linked "$place/linked.json" --slurpfile built "$place/built.json" '
  def crate: "\(.name) v\(.version)";
  .components |= map(select(crate | IN($built[0][])) | .scope = if crate | IN($linked[0][]) then "required" else "excluded" end)
  | [.metadata.component."bom-ref", .components[]."bom-ref"] as $known
  | .dependencies |= map(select(.ref | IN($known[])) | if .dependsOn then .dependsOn |= map(select(IN($known[]))) else . end)
  | walk(if type == "string" then split($here) | join("path+file:///azp-scaler") else . end)
' "$name.json" >"$place/$name.cdx.json"
echo "$place/$name.cdx.json"
