# shellcheck shell=bash
# A Kubernetes API server of one's own, without nodes, from what .ci/control-plane has built. To be sourced by a script that has
# `place`, a folder that goes away with it, and `fail`, and that ends what still runs when it ends.

# shellcheck disable=SC2154 # `place` is whose who sources this.
programs=$PWD/target/control-plane

# Whether there is what it needs.
has_api_server() {
  command -v etcd >/dev/null && command -v kubectl >/dev/null && [ -x "$programs/kube-apiserver" ]
}

# kubeconfig URL TOKEN
kubeconfig() {
  cat <<END_OF_CONFIG
{ apiVersion: v1, kind: Config, current-context: it, contexts: [{ name: it, context: { cluster: it, user: it } }],
  clusters: [{ name: it, cluster: { server: "$1", insecure-skip-tls-verify: true } }], users: [{ name: it, user: { token: $2 } }] }
END_OF_CONFIG
}

# A port that nobody listens at.
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)); (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

# Starts etcd and the API server with all the CRDs, and makes kubectl and helm ask it.
start_api_server() {
  local etcd peers
  etcd=http://127.0.0.1:$(free_port) peers=http://127.0.0.1:$(free_port)
  api_server=https://127.0.0.1:$(free_port)
  etcd --data-dir "$place/etcd" --listen-client-urls "$etcd" --advertise-client-urls "$etcd" --listen-peer-urls "$peers" \
    --initial-advertise-peer-urls "$peers" --initial-cluster "default=$peers" >"$place/etcd.log" 2>&1 &
  openssl genrsa -out "$place/service-accounts.key" 2048 2>/dev/null
  echo 'it,admin,1,"system:masters"' >"$place/tokens"
  "$programs/kube-apiserver" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --endpoint-reconciler-type=none \
    --secure-port="${api_server##*:}" --etcd-servers="$etcd" --cert-dir="$place/certificates" \
    --service-cluster-ip-range=10.0.0.0/24 --service-account-issuer=https://tests.invalid \
    --service-account-key-file="$place/service-accounts.key" --service-account-signing-key-file="$place/service-accounts.key" \
    --token-auth-file="$place/tokens" --authorization-mode=RBAC --allow-privileged \
    --disable-admission-plugins=ServiceAccount >"$place/api-server.log" 2>&1 &
  kubeconfig "$api_server" it >"$place/kubeconfig"
  chmod 600 "$place/kubeconfig"
  export KUBECONFIG=$place/kubeconfig
  for _ in {1..240}; do
    kubectl get --raw /readyz >/dev/null 2>&1 && break
    sleep 0.5
  done
  kubectl get --raw /readyz >/dev/null || { tail "$place/api-server.log"; fail "the API server does not come up"; }
  kubectl apply --server-side --filename "$programs/crds" >/dev/null
  kubectl wait --for=condition=Established crd --all --timeout=60s >/dev/null
}
