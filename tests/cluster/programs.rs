//! The three programs of a control plane, and KEDA's operator, with the flags that let them run alone, as anybody, on loopback.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tempfile::TempDir;

use super::users::User;

/// Where they run: a directory that goes away with this, and ports that were free.
pub(crate) struct Place {
    directory: TempDir,
    programs: PathBuf,
    etcd: u16,
    etcd_peer: u16,
    api_server: u16,
}

impl Place {
    /// A new one, with a key for service accounts in it. `programs` is where the two of Kubernetes were built.
    pub(crate) fn new(programs: &Path) -> Self {
        let directory = tempfile::Builder::new().prefix("azp-scaler-control-plane-").tempdir().unwrap();
        let [etcd, etcd_peer, api_server] = free_ports();
        let place = Self { directory, programs: programs.to_owned(), etcd, etcd_peer, api_server };
        fs::write(place.file("service-accounts.key"), new_key()).unwrap();
        place
    }

    /// A path in the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// KEDA's CRDs, each as YAML.
    pub(crate) fn crds(&self) -> Vec<String> {
        let files = fs::read_dir(self.programs.join("crds")).unwrap();
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    /// Where etcd serves.
    pub(crate) fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd)
    }

    /// Where the API server serves; it stays the same over restarts.
    pub(crate) fn api_server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server)
    }

    /// What starts etcd.
    pub(crate) fn etcd(&self) -> Command {
        let (clients, peers) = (self.etcd_url(), format!("http://127.0.0.1:{}", self.etcd_peer));
        let mut command = Command::new("etcd");
        command
            .arg("--data-dir")
            .arg(self.file("etcd"))
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .arg(format!("--initial-cluster=default={peers}"));
        command
    }

    /// What starts the API server.
    pub(crate) fn api_server(&self) -> Command {
        let mut command = Command::new(self.programs.join("kube-apiserver"));
        command
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"])
            .arg(format!("--secure-port={}", self.api_server))
            .arg(format!("--etcd-servers={}", self.etcd_url()))
            .arg("--cert-dir")
            .arg(self.file("certificates"))
            .args(["--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://tests.invalid"])
            .arg("--service-account-key-file")
            .arg(self.file("service-accounts.key"))
            .arg("--service-account-signing-key-file")
            .arg(self.file("service-accounts.key"))
            .arg("--token-auth-file")
            .arg(self.file("tokens.csv"))
            // Pods get no token of a service account: nobody would make the accounts for them.
            .args(["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"])
            // As in any cluster: whether a pod may be privileged is for Pod Security admission to say.
            .arg("--allow-privileged=true");
        command
    }

    /// What starts the controller manager, with what makes Jobs live and end, and no more.
    pub(crate) fn controller_manager(&self) -> Command {
        let mut command = Command::new(self.programs.join("kube-controller-manager"));
        command
            .arg("--controllers=job-controller,garbage-collector-controller,namespace-controller,ttl-after-finished-controller")
            .args(["--leader-elect=false", "--authentication-skip-lookup", "--bind-address=127.0.0.1", "--secure-port=0"])
            // The default of 20 requests a second is for a cluster that others use, too.
            .args(["--kube-api-qps=1000", "--kube-api-burst=1000"])
            .arg("--kubeconfig")
            .arg(User::Admin.kubeconfig(self));
        command
    }

    /// What starts KEDA's operator on one namespace.
    pub(crate) fn operator(&self, namespace: &str) -> Command {
        let certificates = self.file("operator-certificates");
        fs::create_dir_all(&certificates).unwrap();
        // Only its metrics server would use them.
        let pair = rcgen::generate_simple_self_signed(["keda-operator".to_owned()]).unwrap();
        for (name, pem) in
            [("ca.crt", pair.cert.pem()), ("tls.crt", pair.cert.pem()), ("tls.key", pair.signing_key.serialize_pem())]
        {
            fs::write(certificates.join(name), pem).unwrap();
        }
        let [metrics_service] = free_ports();
        let mut command = Command::new(self.programs.join("keda-operator"));
        command
            .env("KEDA_CLUSTER_OBJECT_NAMESPACE", "keda")
            .env("POD_NAMESPACE", "keda")
            .env("WATCH_NAMESPACE", namespace)
            .args(["--leader-elect=false", "--enable-apiservice-patching=false", "--enable-webhook-patching=false"])
            .args(["--metrics-bind-address=0", "--health-probe-bind-address=0"])
            .arg(format!("--metrics-service-bind-address=127.0.0.1:{metrics_service}"))
            .arg("--cert-dir")
            .arg(certificates)
            .arg("--kubeconfig")
            .arg(User::Admin.kubeconfig(self));
        command
    }
}

/// Ports that nobody has at the moment.
fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    // All are held until all are known, so they differ.
    let listeners: [TcpListener; COUNT] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A new private key, as PEM.
fn new_key() -> String {
    let key: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(key.as_ref()))
}
