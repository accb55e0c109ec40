//! How each kind of credential signs in, and what becomes of one that is refused.

use std::{path::PathBuf, sync::Arc, time::Duration};

use azp_scaler::{
    azure_devops::{
        client::Client,
        credential::Credential,
        decode::PoolReference,
        entra::{Entra, Proof},
    },
    metrics::Metrics,
    pools::{Clock, Failure, FailureClass},
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    certificates::Authority,
    fake::{Answer, Fake, Part},
    giver::Giver,
    world::{in_no_time, organization, standing_still},
};

const HUSH: &str = "hush-nobody-may-see";
const HOUR: i64 = 3_600;

/// Azure, who gives out tokens, and a client of both with an identity whose proof is in a file.
struct Scene {
    fake: Fake,
    giver: Giver,
    client: Arc<Client>,
    metrics: Metrics,
    folder: TempDir,
}

impl Scene {
    async fn application(proof: Proof) -> Self {
        let authority = Authority::new();
        let (fake, giver, folder) =
            (Fake::start().await, Giver::authority(&authority).await, tempfile::tempdir().unwrap());
        let (ca, file) = (folder.path().join("ca.pem"), folder.path().join("proof"));
        std::fs::write(&ca, authority.pem()).unwrap();
        std::fs::write(&file, format!("{HUSH}\n")).unwrap();
        let (tenant_id, client_id) = ("contoso.onmicrosoft.com".to_owned(), "app-1".to_owned());
        let entra = Entra::Application { authority: giver.url.parse().unwrap(), tenant_id, client_id, proof, file };
        Self::new(fake, giver, folder, entra, Some(ca), None)
    }

    async fn machine(client_id: Option<&str>, proxy: Option<String>) -> Self {
        let (fake, giver) = (Fake::start().await, Giver::machine().await);
        let entra = Entra::ManagedIdentity {
            endpoint: giver.url.parse().unwrap(),
            client_id: client_id.map(ToOwned::to_owned),
        };
        Self::new(fake, giver, tempfile::tempdir().unwrap(), entra, None, proxy)
    }

    fn new(
        fake: Fake,
        giver: Giver,
        folder: TempDir,
        entra: Entra,
        ca: Option<PathBuf>,
        proxy: Option<String>,
    ) -> Self {
        let mut organization = organization(&fake.url);
        (organization.certificate_authority, organization.proxy) = (ca, proxy);
        organization.credential = Credential::Entra(entra);
        let metrics = Metrics::new();
        let client = Client::new(&organization, Clock::starting_at(Timestamp::UNIX_EPOCH), metrics.clone()).unwrap();
        Self { fake, giver, client: Arc::new(client), metrics, folder }
    }

    async fn ask(&self) -> Result<(), Failure> {
        ask(&self.client).await
    }

    fn put(&self, proof: &str) {
        std::fs::write(self.folder.path().join("proof"), proof).unwrap();
    }

    /// How often Azure and the giver of tokens were asked.
    fn asked(&self) -> (usize, usize) {
        (self.fake.count(Part::JobRequests), self.giver.asked().len())
    }

    fn valid_until(&self) -> i64 {
        self.metrics.credential_valid_until_timestamp_seconds.with_label_values(&["contoso"]).get()
    }
}

async fn ask(client: &Client) -> Result<(), Failure> {
    client.job_requests(&PoolReference { id: 7, name: "Linux".into() }).await.map(|_| ())
}

/// What the client says of itself when it is sent with a token of Entra.
fn bearer(fake: &Fake) -> String {
    fake.last().headers["authorization"].to_str().unwrap().to_owned()
}

/// Lets time pass, and those who waited for it go on.
async fn pass(time: Duration) {
    crate::world::pass(time).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn an_application_shows_its_secret_and_sends_the_token() {
    let scene = Scene::application(Proof::Secret).await;
    standing_still(async {
        scene.ask().await.unwrap();
        scene.ask().await.unwrap();
    })
    .await;
    assert_eq!(bearer(&scene.fake), "Bearer entra-1");
    let [asked] = &scene.giver.asked()[..] else { panic!("one token for both: {:?}", scene.giver.asked()) };
    assert_eq!(asked.target, "POST /contoso.onmicrosoft.com/oauth2/v2.0/token");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "app-1"),
        ("scope", "499b84ac-1321-427f-aa17-267ca6975798/.default"),
        ("client_secret", HUSH),
    ];
    assert_eq!(asked.form, pairs(&form));
    assert!((HOUR - 1..=HOUR).contains(&scene.valid_until()), "{}", scene.valid_until());
}

#[tokio::test]
async fn a_workload_shows_its_assertion_as_it_is_then() {
    let scene = Scene::application(Proof::Assertion).await;
    scene.ask().await.unwrap();
    scene.put("rotated");
    pass(Duration::from_secs(4_000)).await;
    scene.ask().await.unwrap();
    assert_eq!(bearer(&scene.fake), "Bearer entra-2");
    let assertion = |shown: &str| {
        pairs(&[
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", shown),
        ])
    };
    let asked = scene.giver.asked();
    assert_eq!(
        asked.iter().map(|asked| asked.form[3..].to_vec()).collect::<Vec<_>>(),
        [HUSH, "rotated"].map(assertion)
    );
}

#[tokio::test]
async fn a_machine_is_asked_directly_though_the_organization_has_a_proxy() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (client_id, query) in [(None, ""), (Some("app-2"), "&client_id=app-2")] {
        let scene = Scene::machine(client_id, Some(format!("http://{nobody}"))).await;
        let given = r#"{"access_token":"of-the-machine","expires_in":"86400","token_type":"Bearer"}"#;
        scene.giver.answer(Some(Answer::new(200, given)));
        let failure = scene.ask().await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unreachable, "the proxy is dead: {failure}");
        let [asked] = &scene.giver.asked()[..] else { panic!("{:?}", scene.giver.asked()) };
        let path =
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=499b84ac-1321-427f-aa17-267ca6975798";
        assert_eq!(asked.target, format!("GET {path}{query}"));
        assert!(asked.has_metadata_header);
        assert!(scene.valid_until() > 23 * HOUR);
    }
}

#[tokio::test]
async fn all_who_need_a_token_wait_for_one_renewal() {
    let scene = Scene::application(Proof::Secret).await;
    scene.giver.set_open(false);
    let askers: Vec<_> = (0..50)
        .map(|_| {
            let client = Arc::clone(&scene.client);
            tokio::spawn(async move { ask(&client).await })
        })
        .collect();
    scene.giver.until_asked(1).await;
    scene.giver.set_open(true);
    for asker in askers {
        asker.await.unwrap().unwrap();
    }
    assert_eq!(scene.asked(), (50, 1));
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_time_and_nobody_waits_for_that() {
    let scene = Scene::application(Proof::Secret).await;
    scene.ask().await.unwrap();
    pass(Duration::from_secs(3_299)).await;
    scene.ask().await.unwrap();
    assert_eq!(scene.asked().1, 1, "it is young enough");
    scene.giver.set_open(false);
    pass(Duration::from_secs(1)).await;
    for _ in 0..3 {
        scene.ask().await.unwrap();
        assert_eq!(bearer(&scene.fake), "Bearer entra-1");
    }
    scene.giver.until_asked(2).await;
    let renewed = scene.valid_until();
    scene.giver.set_open(true);
    while scene.valid_until() == renewed {
        tokio::task::yield_now().await;
    }
    scene.ask().await.unwrap();
    assert_eq!((bearer(&scene.fake).as_str(), scene.asked().1), ("Bearer entra-2", 2));
}

#[tokio::test]
async fn a_valid_token_outlives_renewals_that_fail() {
    let scene = Scene::application(Proof::Secret).await;
    standing_still(scene.ask()).await.unwrap();
    pass(Duration::from_mins(55)).await;
    // Another renewal begins only when the last one has failed.
    for renewal in 2..=5 {
        scene.giver.answer(Some(Answer::new(503, "")));
        scene.giver.set_open(renewal % 2 == 0);
        standing_still(scene.ask()).await.unwrap();
        assert_eq!(bearer(&scene.fake), "Bearer entra-1");
        scene.giver.until_asked(renewal).await;
        pass(Duration::from_secs(10)).await;
        pass(Duration::from_secs(10)).await;
    }
    scene.giver.set_open(false);
    pass(Duration::from_mins(5)).await;
    let failure = in_no_time(scene.ask()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unreachable, "{failure}");
    for word in ["organization `contoso`", "the application `app-1`", &scene.giver.url] {
        assert!(failure.message.contains(word), "{word:?} is missing: {failure}");
    }
    scene.giver.answer(None);
    scene.giver.set_open(true);
    pass(Duration::from_mins(1)).await;
    standing_still(scene.ask()).await.expect("it recovers");
}

#[tokio::test]
async fn a_token_that_azure_refuses_is_renewed_and_tried_once_more() {
    let scene = Scene::application(Proof::Secret).await;
    scene.fake.refuse(&["Bearer entra-1"]);
    scene.ask().await.unwrap();
    assert_eq!(scene.asked(), (2, 2));
    assert_eq!(bearer(&scene.fake), "Bearer entra-2");
}

#[tokio::test]
async fn an_identity_that_azure_refuses_is_not_hammered_with() {
    let scene = Scene::application(Proof::Secret).await;
    scene.fake.answer(Part::JobRequests, Answer::new(401, ""));
    let failure = scene.ask().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotSignedIn);
    assert!(failure.message.contains("the application `app-1`") && failure.message.contains("Users"), "{failure}");
    assert_eq!(scene.asked(), (2, 2), "tried once more with a new token");
    for (seconds, asked) in [(1, (2, 2)), (100, (4, 3)), (1, (4, 3))] {
        pass(Duration::from_secs(seconds)).await;
        for _ in 0..5 {
            let failure = scene.ask().await.unwrap_err();
            assert_eq!(failure.class, FailureClass::NotSignedIn, "{failure}");
        }
        assert_eq!(scene.asked(), asked, "after {seconds} s more");
    }
    scene.fake.answer(Part::JobRequests, Answer::list(&[]));
    pass(Duration::from_mins(5)).await;
    scene.ask().await.expect("it recovers");
}

#[tokio::test]
async fn a_secret_that_entra_refuses_is_tried_again_when_it_changes_or_after_a_pause() {
    let scene = Scene::application(Proof::Secret).await;
    let said = format!(
        r#"{{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret '{HUSH}'. Trace ID: 7"}}"#
    );
    scene.giver.answer(Some(Answer::new(401, said)));
    let failure = scene.ask().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotSignedIn);
    let file = scene.folder.path().join("proof").display().to_string();
    for word in ["AADSTS7000215: Invalid client secret '…'.", "401 invalid_client", "secret's value", &file] {
        assert!(failure.message.contains(word), "{word:?} is missing: {failure}");
    }
    assert!(!format!("{failure:?}").contains(HUSH) && !failure.message.contains("Trace"), "{failure:?}");
    assert!(!scene.client.has_another_token().await);
    for _ in 0..5 {
        pass(Duration::from_secs(1)).await;
        assert!(scene.ask().await.unwrap_err().message.contains("AADSTS7000215"));
    }
    assert_eq!(scene.asked(), (0, 1), "five questions in five seconds, and no attempt");
    pass(Duration::from_secs(10)).await;
    scene.ask().await.unwrap_err();
    assert_eq!(scene.asked(), (0, 2), "one after the pause");

    scene.giver.answer(None);
    scene.put("another");
    assert!(scene.client.has_another_token().await);
    pass(Duration::from_secs(1)).await;
    scene.ask().await.unwrap();
    assert_eq!(scene.asked(), (1, 3));
}

#[tokio::test]
async fn who_gives_tokens_out_must_be_trusted() {
    let mut scene = Scene::application(Proof::Assertion).await;
    let mut stranger = organization(&scene.fake.url);
    let authority: url::Url = scene.giver.url.parse().unwrap();
    stranger.credential = Credential::Entra(Entra::Application {
        authority,
        tenant_id: "t".into(),
        client_id: "c".into(),
        proof: Proof::Assertion,
        file: scene.folder.path().join("proof"),
    });
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    scene.client = Arc::new(Client::new(&stranger, clock, Metrics::new()).unwrap());
    let failure = scene.ask().await.unwrap_err();
    assert!(failure.message.contains("certificate_authority"), "{failure}");
    assert_eq!(scene.asked(), (0, 0), "nothing was shown");
}

#[tokio::test]
async fn a_personal_token_that_was_replaced_meanwhile_is_tried_in_the_same_request() {
    let (fake, folder) = (Fake::start().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("token");
    std::fs::write(&path, "old").unwrap();
    let mut organization = organization(&fake.url);
    organization.credential = Credential::PersonalAccessTokenFile(path.clone());
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    let client = Arc::new(Client::new(&organization, clock, Metrics::new()).unwrap());
    fake.refuse(&["Basic Om9sZA=="]);
    fake.set_open(false);
    let asking = Arc::clone(&client);
    let asking = tokio::spawn(async move { ask(&asking).await });
    fake.until_asked(Part::JobRequests, 1).await;
    std::fs::write(&path, "new").unwrap();
    fake.set_open(true);
    asking.await.unwrap().unwrap();
    assert_eq!(fake.count(Part::JobRequests), 2);

    fake.answer(Part::JobRequests, Answer::new(203, "<html>").with("content-type", "text/html"));
    let asked = || fake.count(Part::JobRequests);
    let failure = ask(&client).await.unwrap_err();
    assert_eq!((failure.class, asked()), (FailureClass::NotSignedIn, 3), "there is no other");
    for (seconds, times) in [(9, 3), (1, 4), (19, 4), (1, 5)] {
        pass(Duration::from_secs(seconds)).await;
        for _ in 0..5 {
            ask(&client).await.unwrap_err();
        }
        assert_eq!(asked(), times, "after {seconds} s more");
    }
}

#[tokio::test]
async fn who_asks_while_a_refused_token_is_tried_again_waits_for_what_becomes_of_it() {
    let fake = Fake::start().await;
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    let client = Arc::new(Client::new(&organization(&fake.url), clock, Metrics::new()).unwrap());
    fake.answer(Part::JobRequests, Answer::new(401, ""));
    ask(&client).await.unwrap_err();
    fake.answer(Part::JobRequests, Answer::list(&[]));
    pass(Duration::from_secs(10)).await;
    let (one, other) = tokio::join!(ask(&client), ask(&client));
    one.unwrap();
    other.unwrap();
    assert_eq!(fake.count(Part::JobRequests), 3);
}
