//! What the client makes of answers.

use std::time::Duration;

use azp_scaler::{
    azure_devops::decode::{AgentReader, PoolReference},
    caseless::Caseless,
    pools::{FailureClass, PoolSelector},
};
use tokio::net::TcpListener;

use crate::{
    fake::{Answer, Fake, Part},
    world::{TOKEN, TOKEN_SENT, client, named},
};

fn linux() -> PoolReference {
    PoolReference { id: 7, name: "Linux".into() }
}

/// Asks for job requests, which fails: the class and the words of the message.
async fn check(answer: Answer, class: FailureClass, words: &[&str]) {
    let fake = Fake::start().await;
    fake.answer(Part::JobRequests, answer.clone());
    let failure = client(&fake.url).job_requests(&linux()).await.unwrap_err();
    assert_eq!(failure.class, class, "{answer:?}: {failure}");
    for word in [&["pool `Linux` (7)", "organization `contoso`"], words].concat() {
        assert!(failure.message.contains(word), "{word:?} is missing in: {failure}");
    }
    for secret in [TOKEN, TOKEN_SENT] {
        assert!(!format!("{failure} {failure:?}").contains(secret), "{failure}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_not_an_empty_queue() {
    let page = Answer::new(203, "<!DOCTYPE html><html>Sign in</html>").with("content-type", "text/html; charset=utf-8");
    let mend = ["expired, revoked, mistyped", "Agent Pools (read)", "the environment variable `AZP_TOKEN`"];
    for answer in [Answer::new(401, ""), page.clone(), Answer::new(302, "").with("location", "/tfs/_signin?reply_to=x")]
    {
        check(answer, FailureClass::NotSignedIn, &mend).await;
    }
    let mend = ["answered 200 with a web page", "`url`", "`proxy`", "the environment variable `AZP_TOKEN`"];
    for answer in [Answer { status: 200, ..page.clone() }, Answer { headers: vec![], status: 200, ..page }] {
        check(answer, FailureClass::NotSignedIn, &mend).await;
    }
    let said = "\u{feff}{\"$id\":\"1\",\"message\":\"TF400813: The user '' is not authorized\\r\\n to access this resource.\"}";
    check(Answer::new(401, said), FailureClass::NotSignedIn, &["TF400813: The user '' is not authorized   to access"])
        .await;
}

#[tokio::test]
async fn refusals_say_what_to_mend() {
    let said = r#"{"message":"TF401444: Please sign-in at least once"}"#;
    check(Answer::new(403, said), FailureClass::Forbidden, &["TF401444", "role Reader"]).await;
    check(Answer::new(404, "<html>"), FailureClass::NotFound, &["/tfs/Default%20Collection/"]).await;
    check(Answer::new(429, ""), FailureClass::Throttled, &["waits as long"]).await;
    check(Answer::new(503, "<html>"), FailureClass::ServerError, &["503", "asks again"]).await;
    check(Answer::new(400, r#"{"message":"no such version"}"#), FailureClass::BadAnswer, &["no such version"]).await;
}

#[tokio::test]
async fn an_answer_of_another_kind_is_not_an_empty_queue() {
    for body in ["{}", "[]", "null", "", r#"{"count":0}"#, r#"{"count":0,"value":null}"#, r#"{"value":[{"requestId":1"#]
    {
        check(Answer::new(200, body), FailureClass::BadAnswer, &["not what was asked for"]).await;
    }
    check(Answer::new(204, ""), FailureClass::BadAnswer, &["not what was asked for"]).await;
}

#[tokio::test]
async fn a_token_that_azure_repeats_is_not_repeated() {
    for status in [401, 403, 500] {
        let said = format!(r#"{{"message":"what is {TOKEN} or {TOKEN_SENT}?"}}"#);
        let class = match status {
            401 => FailureClass::NotSignedIn,
            403 => FailureClass::Forbidden,
            _ => FailureClass::ServerError,
        };
        check(Answer::new(status, said), class, &["what is … or …?"]).await;
    }
    let body = format!(r#"{{"value":[{{"requestId":"{TOKEN_SENT}"}}]}}"#);
    check(Answer::new(200, body), FailureClass::BadAnswer, &["…"]).await;
}

#[tokio::test]
async fn an_answer_has_a_greatest_size() {
    let body = [b"{\"value\":[".to_vec(), vec![b' '; 64 << 20]].concat();
    check(Answer::new(200, body), FailureClass::BadAnswer, &["larger than 64 MiB"]).await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let fake = Fake::start().await;
    fake.answer(Part::JobRequests, Answer::new(307, "").with("location", "/elsewhere"));
    fake.answer(Part::Elsewhere, Answer::list(&[]));
    client(&fake.url).job_requests(&linux()).await.unwrap_err();
    assert_eq!((fake.count(Part::JobRequests), fake.count(Part::Elsewhere)), (1, 0));
}

#[tokio::test]
async fn no_connection_is_told_with_its_reason() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failure = client(&format!("http://{free}/x")).job_requests(&linux()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unreachable);
    assert!(failure.message.contains("Connection refused") && failure.message.contains(&free.to_string()), "{failure}");
}

#[tokio::test]
async fn requests_are_as_azure_wants_them() {
    let fake = Fake::start().await;
    let client = client(&fake.url);
    client.job_requests(&linux()).await.unwrap();
    let asked = fake.last();
    let base = "/tfs/Default%20Collection/_apis/distributedtask/pools";
    assert_eq!(asked.uri, format!("{base}/7/jobrequests?completedRequestCount=0"));
    assert_eq!(asked.headers["authorization"], format!("Basic {TOKEN_SENT}"));
    assert_eq!(asked.headers["x-tfs-fedauthredirect"], "Suppress");
    assert_eq!(asked.headers["accept"], "application/json;api-version=7.0");
    assert!(asked.headers["user-agent"].to_str().unwrap().starts_with("azp-scaler/"));

    client.agents(&linux(), &mut AgentReader::default()).await.unwrap();
    let query = "includeCapabilities=true&includeAssignedRequest=true&includeLastCompletedRequest=true";
    assert_eq!(fake.last().uri, format!("{base}/7/agents?{query}"));

    client.pool(&PoolSelector::Id(7)).await.unwrap();
    assert_eq!(fake.last().uri, format!("{base}/7"));
    client.pool(&named("Größe & Co")).await.unwrap_err();
    assert_eq!(fake.last().uri, format!("{base}?poolName=Gr%C3%B6%C3%9Fe+%26+Co"));
}

#[tokio::test]
async fn pools_are_compared_by_name_without_case() {
    let fake = Fake::start().await;
    fake.answer(Part::Pools, Answer::list(&[r#"{"id":6,"name":"Linux 2"}"#, r#"{"id":7,"name":"Linux"}"#]));
    let client = client(&fake.url);
    assert_eq!(client.pool(&named("LINUX")).await.unwrap(), linux());
    let failure = client.pool(&named("Lin")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotFound);
    assert!(failure.message.contains("pool `Lin` of organization `contoso`"), "{failure}");
}

#[tokio::test]
async fn a_pool_by_number_must_be_that_pool() {
    let fake = Fake::start().await;
    let client = client(&fake.url);
    assert_eq!(client.pool(&PoolSelector::Id(8)).await.unwrap_err().class, FailureClass::BadAnswer);
    fake.answer(Part::Pools, Answer::new(404, r#"{"message":"No agent pool found with identifier 8."}"#));
    let failure = client.pool(&PoolSelector::Id(8)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotFound);
    assert!(failure.message.contains("No agent pool found with identifier 8."), "{failure}");
}

#[tokio::test]
async fn patience_is_remembered_up_to_a_bound() {
    let fake = Fake::start().await;
    let client = client(&fake.url);
    client.job_requests(&linux()).await.unwrap();
    assert_eq!(client.patience_left(), None);
    fake.answer(Part::JobRequests, Answer::list(&[]).with("retry-after", "86400"));
    client.job_requests(&linux()).await.unwrap();
    let left = client.patience_left().unwrap();
    assert!(left <= Duration::from_mins(5) && left > Duration::from_mins(4), "{left:?}");
}

#[tokio::test]
async fn what_azure_says_becomes_the_domain() {
    let fake = Fake::start().await;
    let running = r#"{"requestId":2,"priority":3,"assignTime":"2026-11-01T08:00:01Z","reservedAgent":{"id":5,"name":"vm-1","status":"offline"}}"#;
    let queued = r#"{"requestId":1,"queueTime":"2026-11-01T08:00:00.1234567Z","demands":["docker"],"jobName":"build",
        "definition":{"name":"web"},"owner":{"name":"20261101.1","_links":{"web":{"href":"https://run"}}}}"#;
    let ended = [r#"{"requestId":3,"result":"canceled"}"#, r#"{"requestId":4,"finishTime":"2026-11-01T08:00:02Z"}"#];
    fake.answer(Part::JobRequests, Answer::list(&[&[queued, running][..], &ended[..]].concat()));
    let client = client(&fake.url);
    let queue = client.job_requests(&linux()).await.unwrap();
    let [queued, running] = queue.jobs.as_slice() else { panic!("what has ended is dropped: {queue:?}") };
    assert!(queued.is_queued() && !running.is_queued());
    assert_eq!(queued.queued_at, Some("2026-11-01T08:00:00.1234567Z".parse().unwrap()));
    assert_eq!((queued.title.pipeline.as_deref(), queued.title.job.as_deref()), (Some("web"), Some("build")));
    assert_eq!(queued.title.link.as_deref(), Some("https://run"));
    assert_eq!(running.priority, 3);
    let agent = running.agent.as_ref().unwrap();
    assert_eq!((agent.id, &agent.name, agent.offline), (5, &Caseless::new("VM-1"), true));
}
