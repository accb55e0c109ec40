//! Whether the process lives and is ready, and what every answer has in common.

use azp_scaler::{pools::FailureClass, web::Readiness};

use crate::world::{World, full};

#[tokio::test(start_paused = true)]
async fn the_process_is_ready_while_questions_are_answered_whatever_azure_does() {
    let world = World::new();
    let mut pages = world.pages();
    world.readiness.send_replace(Readiness::Starting);
    assert_eq!(pages.get("/livez").await.status, 200);
    let starting = pages.get("/readyz").await;
    assert_eq!(starting.status, 503);
    assert_eq!(starting.body, "starting: KEDA's questions are not answered yet\n");

    world.readiness.send_replace(Readiness::Ready);
    full(&world).await.fail(FailureClass::Unreachable, "no route to dev.azure.com");
    assert_eq!(pages.get("/readyz").await.status, 200);

    world.readiness.send_replace(Readiness::Stopping);
    assert_eq!(pages.get("/readyz").await.status, 503);
    assert_eq!(pages.get("/livez").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_lead_is_not_ready() {
    let world = World::new();
    let mut pages = world.pages();
    world.leads.send_replace(false);
    let follows = pages.get("/readyz").await;
    assert_eq!(follows.status, 503);
    assert_eq!(follows.body, "not the leader: another replica answers KEDA's questions\n");
    assert_eq!(pages.get("/livez").await.status, 200);
    assert!(pages.get("/").await.body.contains("not the leader"));

    world.readiness.send_replace(Readiness::Stopping);
    assert!(pages.get("/readyz").await.body.starts_with("stopping"));

    world.readiness.send_replace(Readiness::Ready);
    world.leads.send_replace(true);
    assert_eq!(pages.get("/readyz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_typed_private_and_needs_nothing_from_elsewhere() {
    let world = World::new();
    full(&world).await;
    let mut pages = world.pages();
    let style = {
        let page = pages.get("/").await.body;
        let (_, rest) = page.split_once("rel=\"stylesheet\" href=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    for (path, kind, kept) in [
        ("/", "text/html; charset=utf-8", "no-store"),
        (&*style, "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/livez", "text/plain; charset=utf-8", "no-store"),
        ("/readyz", "text/plain; charset=utf-8", "no-store"),
        ("/metrics", "text/plain; version=0.0.4", "no-store"),
        ("/api/v1/pools", "application/json", "no-store"),
        ("/nowhere", "text/plain; charset=utf-8", "no-store"),
        ("/api/nowhere", "application/json", "no-store"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = pages.ask(method, path).await;
            assert_eq!(answer.status, if path.contains("nowhere") { 404 } else { 200 }, "{path}");
            assert_eq!(answer.headers["content-type"], kind, "{path}");
            assert_eq!(answer.headers["cache-control"], kept, "{path}");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{path}");
            assert_eq!(answer.body.is_empty(), method == "HEAD", "{method} {path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_changed() {
    let mut pages = World::new().pages();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let page = pages.ask(method, "/").await;
        assert_eq!(page.status, 405);
        assert_eq!(page.headers["allow"], "GET,HEAD");
        let api = pages.ask(method, "/api/v1/jobs").await;
        assert_eq!(api.status, 405);
        assert_eq!(api.json()["error"]["message"], "the API only tells: ask with GET or HEAD");
    }
}
