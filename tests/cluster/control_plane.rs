//! A Kubernetes control plane of our own: etcd, the API server and the controller manager, with KEDA's CRDs. There is no
//! kubelet, so pods live as [`kubelet`](super::kubelet) says. Jobs come as [`keda`](super::keda) says, or from KEDA's own
//! operator, where a case starts it.

use std::path::{Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::Request;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::timeout};

use super::{
    apply::apply_yaml,
    keda,
    process::Process,
    programs::Place,
    users::{self, User},
    within::{PATIENCE, within},
};

/// One that runs. Its programs end with it, those that need others first.
pub(crate) struct ControlPlane {
    _controller_manager: Process,
    api_server: Mutex<Process>,
    _etcd: Process,
    place: Place,
}

impl ControlPlane {
    /// Starts one with the programs that are in `programs`, and waits until it serves KEDA's kinds.
    pub(crate) async fn start(programs: &Path) -> Self {
        let place = Place::new(programs);
        users::write(&place);
        let etcd = Process::start(&mut place.etcd(), &place.file("etcd.log"));
        let api_server = serving(&place).await;
        let controllers = Process::start(&mut place.controller_manager(), &place.file("controller-manager.log"));
        let started = Self { _controller_manager: controllers, api_server: Mutex::new(api_server), _etcd: etcd, place };
        started.know_keda().await;
        started
    }

    /// A client that asks as `user`.
    pub(crate) async fn client(&self, user: User) -> Client {
        client(&self.kubeconfig(user)).await.expect("a kubeconfig that can be used")
    }

    /// A client that asks as `user` at another address, which leads to the API server.
    pub(crate) async fn client_at(&self, user: User, url: &str) -> Client {
        using(self.kubeconfig_at(user, url)).await.unwrap()
    }

    /// With what a program asks as `user` another address than the API server's own.
    pub(crate) fn kubeconfig_at(&self, user: User, url: &str) -> Kubeconfig {
        let mut kubeconfig = Kubeconfig::read_from(self.kubeconfig(user)).unwrap();
        kubeconfig.clusters[0].cluster.as_mut().unwrap().server = Some(url.to_owned());
        kubeconfig
    }

    /// A client that asks as whoever has this name, which the admin lends it.
    pub(crate) async fn client_as(&self, name: &str) -> Client {
        let mut kubeconfig = Kubeconfig::read_from(self.kubeconfig(User::Admin)).unwrap();
        kubeconfig.auth_infos[0].auth_info.as_mut().unwrap().impersonate = Some(name.to_owned());
        using(kubeconfig).await.unwrap()
    }

    /// Where the API server serves.
    pub(crate) fn url(&self) -> String {
        self.place.api_server_url()
    }

    /// The file with which a program asks as `user`.
    pub(crate) fn kubeconfig(&self, user: User) -> PathBuf {
        user.kubeconfig(&self.place)
    }

    /// KEDA's operator on one namespace. It ends with what is returned.
    pub(crate) fn operator(&self, namespace: &str) -> Process {
        Process::start(&mut self.place.operator(namespace), &self.file(&format!("operator-{namespace}.log")))
    }

    /// A path in the directory that goes away with the control plane.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.place.file(name)
    }

    /// Ends the API server at once, with its watches and their cache. Nobody answers until it is started again.
    pub(crate) async fn kill_api_server(&self) {
        self.api_server.lock().await.kill();
    }

    /// Tells the API server to end. It ends its watches in good order; for all else it takes its time.
    pub(crate) async fn terminate_api_server(&self) {
        self.api_server.lock().await.signal("TERM");
    }

    /// Starts the API server again where it was, and waits until it serves.
    pub(crate) async fn start_api_server(&self) {
        *self.api_server.lock().await = serving(&self.place).await;
    }

    /// Makes the API server fall silent: its connections stay open, and nothing comes.
    pub(crate) async fn freeze_api_server(&self) {
        self.api_server.lock().await.signal("STOP");
    }

    /// Lets it go on where it was.
    pub(crate) async fn thaw_api_server(&self) {
        self.api_server.lock().await.signal("CONT");
    }

    /// Makes etcd forget all but the present, and returns the revision that is the oldest now. A watch from before gets
    /// `410 Gone`, where the API server does not have it in its own cache either: restart that, too.
    pub(crate) async fn compact(&self) -> i64 {
        let anything = BASE64_STANDARD.encode("/");
        let read = self.etcd("kv/range", &json!({ "key": anything, "limit": 1 })).await;
        // Its JSON writes 64-bit numbers as strings.
        let revision: i64 = read["header"]["revision"].as_str().unwrap().parse().unwrap();
        self.etcd("kv/compaction", &json!({ "revision": revision.to_string(), "physical": true })).await;
        revision
    }

    async fn etcd(&self, method: &str, request: &Value) -> Value {
        let url = format!("{}/v3/{method}", self.place.etcd_url());
        let answer = reqwest::Client::new().post(url).body(request.to_string()).send().await.unwrap();
        serde_json::from_str(&answer.error_for_status().unwrap().text().await.unwrap()).unwrap()
    }

    /// Teaches the API server KEDA's kinds, with KEDA's own CRDs.
    async fn know_keda(&self) {
        let client = self.client(User::Admin).await;
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        for crd in self.place.crds() {
            for applied in apply_yaml(&client, &crd).await.unwrap() {
                let name = applied.metadata.name.unwrap();
                let established = await_condition(crds.clone(), &name, is_crd_established());
                timeout(PATIENCE, established).await.expect("a CRD is established in time").unwrap();
            }
        }
        // An established CRD is served a moment later.
        let scaled_jobs = keda::scaled_jobs(client, "default");
        within("the ScaledJobs to be served", async || scaled_jobs.list(&ListParams::default()).await.ok()).await;
    }
}

/// An API server that has come up.
async fn serving(place: &Place) -> Process {
    let mut process = Process::start(&mut place.api_server(), &place.file("api-server.log"));
    within("the API server to be ready", async || {
        if let Some(status) = process.ended() {
            panic!("the API server has ended with {status}:\n{}", process.last_words());
        }
        // There is no client until the server has made its certificate.
        let client = client(&User::Admin.kubeconfig(place)).await?;
        client.request_text(Request::get("/readyz").body(Vec::new()).unwrap()).await.ok()
    })
    .await;
    process
}

async fn client(kubeconfig: &Path) -> Option<Client> {
    using(Kubeconfig::read_from(kubeconfig).unwrap()).await
}

async fn using(kubeconfig: Kubeconfig) -> Option<Client> {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.ok()?;
    Client::try_from(config).ok()
}
