//! Service hooks: who is let in, and whom they wake.

use std::{fs, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use azp_scaler::{
    pools::Directory,
    web::{Hooks, Site, router},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tempfile::TempDir;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::world::{Place, World};

const SECRET: &str = "tell-nobody";

/// A site that lets hooks in.
struct Door {
    world: Arc<World>,
    folder: TempDir,
    router: Router,
    hooks: Arc<Hooks>,
}

impl Door {
    fn of(organizations: &[&str]) -> Self {
        let (world, folder) = (World::new(), TempDir::new().unwrap());
        let file = folder.path().join("secret");
        fs::write(&file, format!("{SECRET}\n")).unwrap();
        let names = organizations.iter().map(|&name| name.into());
        let hooks = Arc::new(Hooks::new(file, names, Arc::clone(&world) as Arc<dyn Directory>));
        let router = router(Site { hooks: Some(Arc::clone(&hooks)), ..world.site() });
        Self { world, folder, router, hooks }
    }

    fn write(&self, secret: &str) {
        fs::write(self.folder.path().join("secret"), secret).unwrap();
    }

    /// Sends a hook with these credentials; the answer's status and text.
    async fn send(&mut self, path: &str, credentials: Option<&str>, body: Body) -> (u16, String) {
        let mut request = Request::post(path);
        if let Some(pair) = credentials {
            request = request.header("authorization", format!("Basic {}", BASE64_STANDARD.encode(pair)));
        }
        let response = self.router.call(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
        let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(text.to_vec()).unwrap())
    }

    async fn news(&mut self) -> (u16, String) {
        self.send("/hooks/azure-devops", Some(&format!("any:{SECRET}")), Body::from("{}")).await
    }

    fn counted(&self, organization: &str, outcome: &str) -> u64 {
        self.world.metrics.hooks_total.with_label_values(&[organization, outcome]).get()
    }
}

/// Whether the poller is woken within a time, and after how long.
async fn woken(place: &mut Place, within: Duration) -> Option<Duration> {
    let began = Instant::now();
    timeout(within, place.publisher.questions.changed()).await.ok()?.unwrap();
    Some(began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn only_who_has_the_secret_is_let_in() {
    let mut door = Door::of(&["contoso"]);
    let empty = Body::empty;
    let path = "/hooks/azure-devops";
    for wrong in [None, Some(""), Some(":"), Some("tell-nobody"), Some("any:tell-nobod"), Some("any:tell-nobody2")] {
        let (status, text) = door.send(path, wrong, empty()).await;
        assert_eq!(status, 401, "{wrong:?}");
        assert!(!text.contains("contoso") && !text.contains(SECRET), "{text}");
    }
    for right in [":tell-nobody", "azure:tell-nobody"] {
        assert_eq!(door.send(path, Some(right), empty()).await.0, 202, "{right}");
    }
    door.write("an:other");
    assert_eq!(door.send(path, Some("any:tell-nobody"), empty()).await.0, 401, "the file is read anew");
    assert_eq!(door.send(path, Some("any:an:other"), empty()).await.0, 202);
    door.write(" \n");
    let (status, text) = door.send(path, Some("any:"), empty()).await;
    assert_eq!((status, &*text), (503, "The scaler has no secret to compare; its log says why.\n"));
    assert_eq!([door.counted("contoso", "accepted"), door.counted("", "refused")], [3, 7]);
    assert_eq!(door.counted("", "no-secret"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_read_past_up_to_a_bound_of_length_and_time() {
    let mut door = Door::of(&["contoso"]);
    let credentials = Some("any:tell-nobody");
    let large = |length: usize| Body::from(vec![b'x'; length]);
    assert_eq!(door.send("/hooks/azure-devops", credentials, large(1 << 20)).await.0, 202);
    assert_eq!(door.send("/hooks/azure-devops", credentials, large((1 << 20) + 1)).await.0, 413);
    let never = Body::from_stream(tokio_stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let began = Instant::now();
    assert_eq!(door.send("/hooks/azure-devops", credentials, never).await.0, 408);
    assert_eq!(began.elapsed().as_secs(), 10);
    let broken = Body::from_stream(tokio_stream::once(Err::<Vec<u8>, _>(std::io::Error::other("gone"))));
    assert_eq!(door.send("/hooks/azure-devops", credentials, broken).await.0, 408);
    assert_eq!([door.counted("", "too-large"), door.counted("", "broken-off")], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn of_several_organizations_one_is_named() {
    let mut door = Door::of(&["contoso", "fabrikam"]);
    let credentials = Some("any:tell-nobody");
    let (status, text) = door.send("/hooks/azure-devops", credentials, Body::empty()).await;
    assert_eq!(status, 400);
    assert_eq!(text, "Say whose hook it is: add `?organization=` and one of `contoso` or `fabrikam` to the URL.\n");
    let (status, text) = door.send("/hooks/azure-devops?organization=adatum", credentials, Body::empty()).await;
    assert_eq!(status, 404);
    assert_eq!(text, "`organization`: `adatum` is not configured; there is `contoso` and `fabrikam`.\n");
    let (status, text) = door.send("/hooks/azure-devops?organization=adatum", None, Body::empty()).await;
    assert_eq!(status, 401, "strangers are told no names: {text}");
    assert_eq!(door.send("/hooks/azure-devops?organization=FABRIKAM", credentials, Body::empty()).await.0, 202);
    assert_eq!([door.counted("fabrikam", "accepted"), door.counted("", "unknown-organization")], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn without_a_secret_hooks_are_off() {
    let mut pages = World::new().pages();
    let off = pages.ask("POST", "/hooks/azure-devops").await;
    assert_eq!(off.status, 404);
    assert_eq!(off.body, "Service hooks are off: write `hooks = { secret_file = \"...\" }` below `[http]`.\n");
    let asked = pages.get("/hooks/azure-devops").await;
    assert_eq!((asked.status.as_u16(), &asked.headers["allow"]), (405, &"POST".parse().unwrap()));
    assert_eq!(asked.body, "Azure DevOps sends service hooks here, with POST.\n");
    assert_eq!(pages.ask("POST", "/metrics").await.body, "Ask with GET or HEAD.\n");
}

#[tokio::test(start_paused = true)]
async fn pollers_are_woken_at_once_then_once_a_second_and_after_the_last_hook() {
    let mut door = Door::of(&["contoso"]);
    let mut place = door.world.open(12, "build");
    place.publisher.questions.mark_unchanged();
    let (hooks, stop) = (Arc::clone(&door.hooks), CancellationToken::new());
    let (stopped, told) = (stop.clone(), Duration::from_mins(1));
    let waking = tokio::spawn(async move { hooks.wake_pollers(stopped).await });
    assert_eq!(woken(&mut place, told).await, None, "nothing has happened");

    door.news().await;
    assert_eq!(woken(&mut place, told).await, Some(Duration::ZERO));
    for _ in 0..100 {
        door.news().await;
    }
    advance(Duration::from_millis(400)).await;
    door.news().await;
    let pause = woken(&mut place, told).await.unwrap();
    assert_eq!(pause.as_millis(), 600, "the last of them is not lost");
    assert_eq!(woken(&mut place, told).await, None, "all were woken for");
    door.news().await;
    assert_eq!(woken(&mut place, told).await, Some(Duration::ZERO));

    stop.cancel();
    waking.await.unwrap();
    door.news().await;
    assert_eq!(woken(&mut place, told).await, None);
}

#[tokio::test(start_paused = true)]
async fn hooks_wake_pools_in_use_and_keep_none_in_use() {
    let mut door = Door::of(&["contoso", "fabrikam"]);
    let mut place = door.world.open(12, "build");
    place.publisher.questions.mark_unchanged();
    let hooks = Arc::clone(&door.hooks);
    let _waking = tokio::spawn(async move { hooks.wake_pollers(CancellationToken::new()).await });
    let credentials = Some("any:tell-nobody");
    door.send("/hooks/azure-devops?organization=fabrikam", credentials, Body::empty()).await;
    assert_eq!(woken(&mut place, Duration::from_secs(5)).await, None, "another organization's");

    for _ in 0..11 {
        sleep(Duration::from_secs(50)).await;
        door.send("/hooks/azure-devops?organization=contoso", credentials, Body::empty()).await;
        assert!(woken(&mut place, Duration::from_secs(5)).await.is_some());
    }
    sleep(Duration::from_mins(1)).await;
    door.send("/hooks/azure-devops?organization=contoso", credentials, Body::empty()).await;
    assert_eq!(woken(&mut place, Duration::from_secs(5)).await, None, "nobody has asked for ten minutes");
}
