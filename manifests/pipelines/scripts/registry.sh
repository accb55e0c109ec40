# shellcheck shell=bash
# Asks a registry for manifests, with the credential that Docker@2 has left in Docker's configuration. To be sourced. Needs curl
# and jq. The credential goes from file to pipe to pipe: it is in no argument, no log and no file of ours.

# credential REGISTRY: as curl's configuration; nothing where there is none.
credential() {
  local file=${DOCKER_CONFIG:-$HOME/.docker}/config.json
  [ -e "$file" ] || return 0
  jq --raw-output --arg registry "$1" '.auths[$registry].auth // empty | "header = \"Authorization: Basic \(.)\""' "$file"
}

# fetch ARGUMENT...: curl, with the rest of its configuration from standard input.
fetch() {
  curl --config - --silent --show-error --proto =https --max-time 60 --retry 2 --retry-connrefused "$@"
}

# manifest REGISTRY REPOSITORY REFERENCE: asks for a manifest and sets `status` to what HTTP says (000 where there is no answer)
# and `digest` to the manifest's.
manifest() {
  local answer challenge token
  answer=$(mktemp)
  local head=(--head --output "$answer" --write-out '%{http_code}'
    --header 'Accept: application/vnd.oci.image.index.v1+json'
    --header 'Accept: application/vnd.oci.image.manifest.v1+json'
    --header 'Accept: application/vnd.docker.distribution.manifest.list.v2+json'
    --header 'Accept: application/vnd.docker.distribution.manifest.v2+json'
    "https://$1/v2/$2/manifests/$3")
  status=$(fetch "${head[@]}" </dev/null) || status=000
  if [ "$status" = 401 ]; then
    challenge=$(header www-authenticate "$answer")
    case $challenge in
      Bearer\ *)
        # Without a token it stays at 401; curl has said why.
        if token=$(credential "$1" | fetch --fail --get --data-urlencode "service=$(parameter service "$challenge")" \
          --data-urlencode "scope=repository:$2:pull" "$(parameter realm "$challenge")" |
          jq --raw-output '.access_token // .token // empty'); then
          status=$(printf 'header = "Authorization: Bearer %s"\n' "$token" | fetch "${head[@]}") || status=000
        fi
        ;;
      *) status=$(credential "$1" | fetch "${head[@]}") || status=000 ;;
    esac
  fi
  # shellcheck disable=SC2034 # For those who source this.
  digest=$(header docker-content-digest "$answer")
  rm "$answer"
}

# header NAME FILE: its value in an answer.
header() {
  sed -n "s/\r$//; s/^$1: //Ip" "$2"
}

# parameter NAME CHALLENGE
parameter() {
  sed -n "s/.*$1=\"\([^\"]*\)\".*/\1/p" <<<"$2"
}

# field NAME CHART: what the chart says of itself.
field() {
  helm show chart "$2" | sed -n "s/^$1: \"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p"
}

fail() {
  printf '##vso[task.logissue type=error]%s\n' "$1"
  exit 1
}
