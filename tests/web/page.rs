//! What people see.

use std::{fs, path::Path, sync::Arc};

use azp_scaler::{builtin::Builtin, pools::FailureClass, trigger::Trigger, web::Readiness};

use crate::world::{World, full, job, trigger};

/// The page; also as a file in the build's directory, with its style beside it, to be looked at.
pub(crate) async fn page(world: &Arc<World>, file: &str) -> String {
    let mut pages = world.pages();
    let page = pages.get("/").await.body;
    let (before, rest) = page.split_once("href=\"/style.css").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("style.css"), pages.get("/style.css").await.body).unwrap();
    fs::write(directory.join(file), format!("{before}href=\"style.css\"{after}")).unwrap();
    page
}

/// What a reader without eyes for colour is told: the page without its tags, names in backticks, blanks folded.
fn text(page: &str) -> String {
    let page = page.replace("<code>", "`").replace("</code>", "`");
    let (_, body) = page.split_once("<body>").unwrap();
    let words = body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
    words.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[track_caller]
pub(crate) fn check(page: &str, says: &[&str]) {
    let text = text(page);
    for words in says {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_world_for_people() {
    let world = World::new();
    full(&world).await;
    let page = page(&world, "full.html").await;
    check(
        &page,
        &[
            "build",
            "pool 12 of contoso · as of 0.0 s ago",
            "Waiting 6",
            "No agent in sight 3",
            "Lost their agent 1",
            "docker-linux agents · strategy default",
            "Hint: `jobsToFetch` has no effect here",
            "Refused: `parent`: the pool has no agent named `python-template`",
            "speech model / Build job request 4808",
            "gpu = a100",
            "unmatched no ScaledJob offers what it demands",
            "agents/java lacks `gpu = a100`",
            "not-understood it carries a demand that Azure Pipelines can&#39;t read",
            "xcode -equal 16",
            "waiting-for-capacity",
            "lost-agent agent `java-q8d4c` of agents/java has it, and is offline",
            "idle-agent agent `vm-2` is online and idle and can take it",
            "running agent `vm-1`, which is no ScaledJob&#39;s, has it",
        ],
    );
    assert!(page.contains(r#"<a href="https://dev.azure.com/contoso/shop/_build/results?buildId=4808""#));
}

#[tokio::test(start_paused = true)]
async fn every_tag_that_opens_closes_and_headers_say_what_they_head() {
    let world = World::new();
    full(&world).await;
    let page = page(&world, "full.html").await;
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).map(|part| part.split_once('>').unwrap().0) {
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if ["!doctype", "meta", "link"].contains(&name) => {}
            None => open.push(name),
        }
        let attributes = || tag.split_whitespace().skip(1);
        assert!(
            attributes().all(|attribute| !attribute.starts_with("on") && !attribute.starts_with("style=")),
            "{tag}"
        );
        assert_ne!(name, "script");
        if name == "th" {
            assert!(tag.contains(r#"scope="col""#) || tag.contains(r#"scope="row""#), "{tag}");
        }
    }
    assert_eq!(open, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_azure_says_is_text_and_nothing_else() {
    let world = World::new();
    let triggers = [Arc::new(trigger("docker-linux", "docker", 10))];
    let place = world.settled(12, "<b>build</b>", &triggers).await;
    let hostile = r#""><script>alert(1)</script>"#;
    place.see(
        &[
            job(1, hostile, 9, &["<i>gpu"]).titled(hostile, "javascript:alert(1)"),
            job(2, "quiet", 8, &[]).titled("Build", r#"https://a.example/"onclick="alert(1)"#),
        ],
        &[crate::world::agent("<img src=x onerror=alert(1)>", "")],
    );
    place.ask(&triggers);
    place.fail(FailureClass::ServerError, "<marquee>503</marquee>");
    let page = page(&world, "hostile.html").await;
    for tag in ["<script", "<b>build", "<img", "<marquee", "<i>", r#""onclick"#, "javascript:"] {
        assert!(!page.contains(tag), "`{tag}` came through: {page}");
    }
    check(&page, &["&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;"]);
}

#[tokio::test(start_paused = true)]
async fn long_lists_are_cut_and_say_so() {
    let world = World::new();
    let triggers = [Arc::new(trigger("docker-linux", "docker", 1000))];
    let place = world.settled(12, "R&D + build", &triggers).await;
    let jobs: Vec<_> = (1..=450).map(|id| job(id, "web shop", 5, &["docker"])).collect();
    place.see(&jobs, &[]);
    place.ask(&triggers);
    let page = page(&world, "long.html").await;
    assert_eq!(page.matches("job request ").count(), 200);
    check(&page, &["Waiting 450", "The first 200 of 450."]);
    let link = "/api/v1/jobs?organization=contoso&#38;pool=R%26D+%2B+build&#38;limit=10000";
    assert!(page.contains(link), "{page}");
    let listed = world.pages().get(&link.replace("&#38;", "&")).await.json();
    assert_eq!(listed["total"], 450);
}

#[tokio::test(start_paused = true)]
async fn not_knowing_is_told_before_what_was_known() {
    let world = World::new();
    let place = full(&world).await;
    place.fail(FailureClass::NotSignedIn, "organization `contoso`: the token has expired; write a new one");
    let second = world.open(13, "gpu lab");
    second.see(&[job(77, "speech model", 3, &["gpu"])], &[]);
    second.ask(&[Arc::new(trigger("gpu", "gpu", 4))]);
    world.open(14, "mobile").fail(FailureClass::Forbidden, "pool `mobile`: the token may not read it");
    tokio::time::advance(std::time::Duration::from_secs(8)).await;
    world.readiness.send_replace(Readiness::Stopping);
    let page = page(&world, "failing.html").await;
    check(
        &page,
        &[
            "Not ready stopping: KEDA&#39;s questions are not answered any more",
            "build contoso · 6 waiting · failing",
            "mobile contoso · not known yet · failing",
            "The last round of requests failed: not-signed-in organization `contoso`: the token has expired",
            "What follows is 8.0 s old.",
            "Settling for another 22 s",
            "settling the scaler has just begun to serve this pool",
            "pool 14 of contoso · Azure DevOps has not answered yet The last round of requests failed: forbidden",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn empty_places_say_what_to_do() {
    let world = World::new();
    check(&page(&world, "empty.html").await, &["KEDA has not asked yet", "scalerAddress: this-service"]);

    let place = world.open(12, "build");
    place.see(&[job(1, "web shop", 5, &[])], &[]);
    check(&page(&world, "quiet.html").await, &["1 waiting. No trigger asks about this pool now"]);

    place.see(&[], &[]);
    place.ask(&[Arc::new(trigger("docker-linux", "docker", 10))]);
    check(&page(&world, "idle.html").await, &["No job waits.", "No job runs.", "No agent is registered."]);
}

#[tokio::test(start_paused = true)]
async fn whose_number_a_trigger_wants_is_told() {
    let world = World::new();
    let mut like_keda = trigger("docker-linux", "", 10);
    like_keda.builtin = Some(Builtin { parent: Some("template".to_owned()), ..Builtin::default() });
    let triggers = [Arc::new(like_keda)];
    let place = world.settled(12, "build", &triggers).await;
    place.see(&[], &[]);
    place.ask(&triggers);
    check(&page(&world, "builtin.html").await, &["counts like KEDA’s built-in scaler as agent template"]);
    let told = &world.pages().get("/api/v1/triggers").await.json()["triggers"][0];
    assert_eq!((&told["matching"], &told["parent"]), (&"builtin".into(), &"template".into()));
}

#[tokio::test(start_paused = true)]
async fn the_page_can_be_held_still() {
    let mut pages = World::new().pages();
    assert!(pages.get("/").await.body.contains(r#"<meta http-equiv="refresh" content="5">"#));
    assert!(!pages.get("/?refresh=off").await.body.contains("http-equiv"));
}

#[tokio::test(start_paused = true)]
async fn why_a_placeholder_is_not_kept_is_told_to_who_wants_one() {
    let world = World::new();
    let wants = Trigger { keeps_placeholder: true, ..trigger("java", "java=17", 10) };
    let place = world.settled(12, "build", &[Arc::new(wants), Arc::new(trigger("other", "", 10))]).await;
    let hints = |told: serde_json::Value| -> Vec<String> {
        let triggers = told["triggers"].as_array().unwrap();
        triggers.iter().flat_map(|trigger| trigger["hints"].as_array().unwrap()).map(ToString::to_string).collect()
    };
    let mut pages = world.pages();
    assert_eq!(hints(pages.get("/api/v1/triggers").await.json()), [""; 0]);
    place.desk.note_placeholder_trouble(Some("the token may not do that: mend it".into()));
    let told = hints(pages.get("/api/v1/triggers").await.json());
    assert_eq!(told, [r#""`placeholder: managed`: the token may not do that: mend it""#]);
    assert!(pages.get("/").await.body.contains("the token may not do that"));
}
