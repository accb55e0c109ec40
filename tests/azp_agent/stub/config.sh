#!/bin/bash
# Registers at the simulated organization as the real one does at Azure: told by its environment, it leaves files behind.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
echo "config $*" >"$STUB/events"
if [ -e "$STUB/config-waits" ]; then read -r _ <"$STUB/go"; fi
if rm "$STUB/config-fails-once" 2>/dev/null; then
  echo "no luck with $VSTS_AGENT_INPUT_TOKEN" >&2
  exit 1
fi

address=${VSTS_AGENT_INPUT_URL#http://}
address=${address%%/*}
# request METHOD PATH BODY
request() {
  exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || exit 1
  printf '%s %s HTTP/1.1\r\nHost: stub\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
    "$1" "$2" "$(printf ':%s' "$VSTS_AGENT_INPUT_TOKEN" | base64 -w0)" "${#3}" "$3" >&3
  cat <&3
  exec 3>&-
}
online=false
if [ -e "$STUB/config-online" ]; then online=true; fi
agent="{\"pool\":\"$VSTS_AGENT_INPUT_POOL\",\"name\":\"$VSTS_AGENT_INPUT_AGENT\",\"online\":$online}"
answer=$(request POST /_control/agents "$agent")
if [[ $answer == *" 409 "* && $VSTS_AGENT_INPUT_REPLACE == true ]]; then
  request DELETE "/_control/agents/$VSTS_AGENT_INPUT_POOL/$VSTS_AGENT_INPUT_AGENT" "" >/dev/null
  answer=$(request POST /_control/agents "$agent")
fi
[[ $answer == *" 200 "* ]] || exit 1
if [ -e "$STUB/config-dies-after" ]; then kill -KILL $$; fi
id=${answer##*[}
printf '\xef\xbb\xbf{"agentId": %s, "agentName": "%s", "poolId": 1, "workFolder": "%s"}' \
  "${id%%]*}" "$VSTS_AGENT_INPUT_AGENT" "$VSTS_AGENT_INPUT_WORK" >.agent
echo '{"scheme": "OAuth"}' >.credentials
if [ -e "$STUB/config-leaks" ]; then echo "$VSTS_AGENT_INPUT_TOKEN" >.credentials; fi
echo '{"d": "the key of this agent"}' >.credentials_rsaparams
chmod 600 .credentials_rsaparams
echo '#!/bin/bash' >svc.sh
