#!/usr/bin/env bash
# Makes what a version consists of: in CONTEXTS the folder of the scaler's image for each architecture, named as registries name it, and
# in FILES the binaries, their bills of materials, completions, manual pages and the folder of the agent's image.
set -euo pipefail

scripts=$(dirname "$0")
rm -rf "$CONTEXTS" "$FILES"
mkdir -p "$FILES/completions" "$FILES/man"
for pair in x86_64=amd64 aarch64=arm64; do
  architecture=${pair%=*}
  binary=$(bash manifests/scaler/static-binary "$architecture" azp-scaler)
  bash manifests/scaler/context "$binary" "$CONTEXTS/${pair#*=}"
  install "$binary" "$FILES/azp-scaler-$architecture"
  install --mode 644 "$(bash "$scripts/sbom.sh" "$architecture")" "$FILES/"
done
program=$FILES/azp-scaler-$(uname -m)
"$program" --version
for shell in bash elvish fish powershell zsh; do
  "$program" completions "$shell" >"$FILES/completions/azp-scaler.$shell"
done
"$program" man "$FILES/man"
# The agent's image itself takes an agent of Azure Pipelines and a base that are chosen where it is built.
agent=$(bash manifests/scaler/static-binary x86_64 azp-agent --no-default-features)
tar --create --gzip --file "$FILES/agent-image-x86_64.tar.gz" --owner 0 --group 0 --directory manifests/agent . \
  --directory "$(realpath "$(dirname "$agent")")" azp-agent
