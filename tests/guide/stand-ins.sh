# shellcheck shell=bash
# What .ci/guide has in place of Azure DevOps, Entra, and a cluster's nodes. To be sourced by it, inside its own network.
# shellcheck disable=SC2154 # `place`, `root`, `programs` and `api_server` are whose who sources this.

control=http://127.0.0.1:8081/_control

# ask METHOD PATH [BODY]: of whoever plays Azure DevOps. The token is in a file, not among the arguments.
ask() {
  curl --silent --show-error --fail --config "$place/curl" --request "$1" --header 'content-type: application/json' \
    ${3:+--data "$3"} "$control/$2"
}

# until_ok COMMAND...: within 30 s.
until_ok() {
  for _ in {1..150}; do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  "$@"
}

# certificate NAME ADDRESS: NAME.crt and NAME.key, of no authority but itself.
certificate() {
  printf '[req]\ndistinguished_name = none\n[none]\n' >"$place/openssl.conf"
  openssl req -x509 -config "$place/openssl.conf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
    -addext basicConstraints=CA:FALSE -addext "subjectAltName=IP:$2" -days 1 -keyout "$place/$1.key" -out "$place/$1.crt" 2>/dev/null
}

# The API server, an organization with two pools, Entra, and the names by which the cluster's programs know each other.
start_world() {
  openssl rand -hex 16 >"$place/token"
  printf 'user = ":%s"\n' "$(cat "$place/token")" >"$place/curl"
  printf '127.0.0.1 localhost azp-scaler.azp-scaler.svc.cluster.local\n' >"$place/hosts"
  mount --bind "$place/hosts" /etc/hosts
  AZP_TOKEN_FILE=$place/token azp-scaler simulate --listen 127.0.0.1:8081 --pool linux --pool java \
    >"$place/simulate.log" 2>&1 &
  certificate entra 127.0.0.1
  python3 "$root/tests/guide/entra.py" "$place" >"$place/entra.log" 2>&1 &
  start_api_server
  "$programs/kube-controller-manager" --leader-elect=false --authentication-skip-lookup --bind-address=127.0.0.1 \
    --secure-port=0 --kubeconfig "$KUBECONFIG" \
    --controllers=job-controller,garbage-collector-controller,namespace-controller,ttl-after-finished-controller \
    >"$place/controllers.log" 2>&1 &
}

# KEDA, as its chart installs it: the CRDs are there.
stand_in_keda() {
  kubectl create namespace keda
  mkdir "$place/keda"
  certificate keda/tls 127.0.0.1
  cp "$place/keda/tls.crt" "$place/keda/ca.crt"
  KEDA_CLUSTER_OBJECT_NAMESPACE=keda POD_NAMESPACE=keda WATCH_NAMESPACE="" "$programs/keda-operator" \
    --leader-elect=false --enable-apiservice-patching=false --enable-webhook-patching=false --health-probe-bind-address=0 \
    --enable-prometheus-metrics --metrics-bind-address=127.0.0.1:8082 --metrics-service-bind-address=127.0.0.1:9666 \
    --cert-dir "$place/keda" --kubeconfig "$KUBECONFIG" >"$place/keda.log" 2>&1 &
}

# The scaler's pod: the program with the Deployment's configuration, the rights of its service account, and its identity. Beside it
# the Secret of those who sign in with a token, which the guide replaces.
stand_in_scaler() {
  local map config
  [ -z "${serving-}" ] || { kill "$serving"; wait "$serving" || true; }
  map=$(kubectl --namespace azp-scaler get deployment azp-scaler --output jsonpath='{.spec.template.spec.volumes[0].configMap.name}')
  config=$(kubectl --namespace azp-scaler get configmap "$map" --output json | jq --raw-output '.data | keys[0]')
  kubectl --namespace azp-scaler get configmap "$map" --output json | jq --raw-output '.data[]' >"$place/$config"
  kubeconfig "$api_server" "$(kubectl --namespace azp-scaler create token azp-scaler)" >"$place/kubeconfig-of-scaler"
  kubectl --namespace azp-scaler create token azp-scaler --audience api://AzureADTokenExchange >"$place/assertion"
  # What the webhook of Azure Workload Identity puts into a pod.
  env -u AZP_URL -u AZP_TOKEN_FILE KUBECONFIG="$place/kubeconfig-of-scaler" POD_NAME=azp-scaler-0 POD_NAMESPACE=azp-scaler \
    AZURE_CLIENT_ID="$SCALER_CLIENT_ID" AZURE_TENANT_ID=contoso AZURE_FEDERATED_TOKEN_FILE="$place/assertion" \
    AZURE_AUTHORITY_HOST=https://127.0.0.1:8443 SSL_CERT_FILE="$place/entra.crt" \
    azp-scaler serve --config "$place/$config" >"$place/serve.log" 2>&1 &
  serving=$!
  until_ok curl --silent --fail http://localhost:8080/readyz
  kubectl --namespace azp-scaler create secret generic azp-token --from-literal=token=old
}

# Somebody runs a pipeline.
stand_in_pipeline() {
  ask POST jobs '{"pool": "linux", "demands": ["docker"], "duration_ms": 1000}'
}

# A node starts the pods of agents, which register, run their job and leave.
stand_in_node() {
  local pods pod pool
  until_ok pending
  mapfile -t pods < <(pending)
  for pod in "${pods[@]}"; do
    kubectl --namespace agents patch pod "$pod" --subresource=status --type=merge --patch '{"status":{"phase":"Running"}}'
    pool=$(pool_of "$pod")
    ask POST agents "{\"pool\": \"$pool\", \"name\": \"$pod\", \"capabilities\": {\"docker\": \"\", \"java\": \"17\"}, \"ephemeral\": true}"
  done
  for pod in "${pods[@]}"; do
    until ask GET "agents/$(pool_of "$pod")/$pod/end?within_ms=5000" | grep -q true; do :; done
    kubectl --namespace agents patch pod "$pod" --subresource=status --type=merge --patch '{"status":{"phase":"Succeeded"}}'
  done
}

# Where the agent of a pod registers.
pool_of() {
  case $1 in
    linux-java-*) echo java ;;
    *) echo linux ;;
  esac
}

# Pods of agents that wait for a node; fails where there are none.
pending() {
  kubectl --namespace agents get pods --field-selector status.phase=Pending --output name | sed 's|pod/||' | grep .
}

# Somebody runs a pipeline with three jobs that demand java.
stand_in_three_java_jobs() {
  ask POST jobs '{"pool": "java", "demands": ["java"], "count": 3, "duration_ms": 1000}'
}
