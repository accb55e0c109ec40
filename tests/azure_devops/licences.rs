//! How many parallel jobs there are: when Azure is asked, and what holds where it does not say.

use std::time::Duration;

use azp_scaler::{
    azure_devops::{
        decode::{Limit, ParallelJobs as Told},
        organization::ParallelJobs,
    },
    job_request::Parallelism,
    parallel_jobs::Running,
    pools::{Desk, FailureClass},
};

use crate::{
    fake::{Answer, Part, usage},
    world::{World, client, named, pass, until},
};

const QUEUED: &str = r#"{"requestId":1,"queueTime":"2026-11-01T08:00:00Z"}"#;

async fn world(setting: ParallelJobs) -> World {
    World::with(|organization| organization.parallel_jobs = setting).await
}

impl World {
    /// Requests so far: for private, for public jobs. One that is on its way is waited for.
    async fn asked(&self) -> [usize; 2] {
        self.come_and_go(5).await;
        [Part::PrivateUse, Part::PublicUse].map(|part| self.fake.count(part))
    }

    /// Waits until Azure has answered so often for both.
    async fn until_told(&self, times: u64) {
        self.until_answered(2 * times).await;
    }

    /// Waits until so many requests have been answered, well or not.
    async fn until_answered(&self, times: u64) {
        let answers = || {
            let count = |outcome| {
                let labels = ["contoso", "resource-usage", outcome];
                self.metrics.azure_requests_total.with_label_values(&labels).get()
            };
            ["ok", "server-error", "not-found"].into_iter().map(count).sum::<u64>()
        };
        for _ in 0..MOST_TURNS {
            if answers() >= times {
                return;
            }
            self.come_and_go(1).await;
        }
        panic!("{} answers, and {times} are waited for", answers());
    }

    /// Asks the server something else, so often; what was sent before has then arrived.
    async fn come_and_go(&self, times: u32) {
        let client = client(&self.fake.url);
        for _ in 0..times {
            client.pool(&named("Linux")).await.unwrap();
        }
    }

    /// The gauges for private jobs: what may run, and what runs.
    fn gauges(&self) -> [Option<i64>; 2] {
        ["limit", "used"].map(|gauge| self.gauge(gauge, "private"))
    }

    fn gauge(&self, gauge: &str, parallelism: &str) -> Option<i64> {
        let name = format!("azp_scaler_parallel_jobs_{gauge}");
        let families = self.metrics.registry().gather();
        let family = families.iter().find(|family| family.name() == name)?;
        let series = family.get_metric().iter().find(|series| {
            series.get_label().iter().any(|label| label.name() == "parallelism" && label.value() == parallelism)
        })?;
        #[expect(clippy::cast_possible_truncation, reason = "a small count")]
        Some(series.get_gauge().get_value() as i64)
    }
}

/// What takes longer does not come.
const MOST_TURNS: u32 = 100;

/// A round of the pool, so that the watch sees its queue.
async fn round(desk: &Desk) {
    let ended = desk.look().borrow().rounds_ended;
    desk.nudge();
    until(desk, |look| look.rounds_ended > ended).await;
}

#[tokio::test]
async fn the_preview_is_asked_for_in_its_own_version() {
    let fake = crate::fake::Fake::start().await;
    let client = client(&fake.url);
    let told = client.parallel_jobs(Parallelism::Private).await.unwrap();
    assert_eq!(told, Told { limit: Some(Limit::Jobs(10)), running: Running::Total(0) });
    let asked = fake.last();
    let base = "/tfs/Default%20Collection/_apis/distributedtask";
    let query = "parallelismTag=Private&poolIsHosted=false&includeRunningRequests=true";
    assert_eq!(asked.uri, format!("{base}/resourceusage?{query}"));
    assert_eq!(asked.headers.get_all("accept").iter().count(), 1);
    assert_eq!(asked.headers["accept"], "application/json;api-version=7.2-preview.2");

    fake.answer(Part::Limits, Answer::list(&[r#"{"parallelismTag":"Private","totalCount":4}"#]));
    assert_eq!(client.parallel_job_limit(Parallelism::Private).await.unwrap(), Limit::Jobs(4));
    assert_eq!(fake.last().uri, format!("{base}/resourcelimits"));
}

#[tokio::test]
async fn a_server_without_licences_or_with_older_versions_has_none() {
    let fake = crate::fake::Fake::start().await;
    let said = r#"{"message":"VS403368: The requested REST API version of 7.2 is out of range for this server."}"#;
    for answer in [Answer::new(404, ""), Answer::new(400, said)] {
        fake.answer(Part::PrivateUse, answer);
        let failure = client(&fake.url).parallel_jobs(Parallelism::Private).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::NotFound, "{failure}");
    }
}

#[tokio::test]
async fn azure_is_asked_often_while_jobs_wait_and_rarely_else() {
    let world = world(ParallelJobs::Auto).await;
    world.fake.answer(Part::PrivateUse, usage(3, Some(10)));
    let desk = world.desk().await;
    world.until_told(1).await;
    assert_eq!(world.gauges(), [Some(10), Some(3)]);
    assert_eq!(world.gauge("limit", "public"), None);
    assert_eq!(world.gauge("used", "public"), Some(0));

    for _ in 0..2 {
        pass(Duration::from_secs(9)).await;
        round(&desk).await;
    }
    assert_eq!(world.asked().await, [1, 1], "nothing waits");
    pass(Duration::from_secs(12)).await;
    world.until_told(2).await;

    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    pass(Duration::from_secs(4)).await;
    round(&desk).await;
    assert_eq!(world.asked().await, [2, 2], "less than ten seconds");
    pass(Duration::from_secs(6)).await;
    world.until_told(3).await;
    for turn in 4..7 {
        pass(Duration::from_secs(10)).await;
        world.until_told(turn).await;
    }
    assert_eq!(world.asked().await, [6, 6]);
    assert_eq!(world.fake.count(Part::Limits), 0, "the use tells the limit, too");
}

#[tokio::test]
async fn a_pool_that_nobody_asks_about_asks_for_no_licences() {
    let world = world(ParallelJobs::Auto).await;
    let desk = world.desk().await;
    world.until_told(1).await;
    pass(Duration::from_mins(11)).await;
    let before = world.asked().await;
    pass(Duration::from_mins(11)).await;
    assert_eq!(world.asked().await, before);
    desk.nudge();
    world.until_told(before[1] as u64 + 1).await;
}

#[tokio::test]
async fn a_failure_keeps_what_was_known_and_fails_no_round() {
    let world = world(ParallelJobs::Auto).await;
    let desk = world.desk().await;
    world.until_told(1).await;
    world.fake.answer(Part::PrivateUse, Answer::new(503, ""));
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    round(&desk).await;
    for failures in 1..4 {
        pass(Duration::from_secs(10)).await;
        world.until_answered(2 + failures).await;
    }
    assert_eq!(world.gauges(), [Some(10), Some(0)]);
    round(&desk).await;
    assert!(desk.look().borrow().failure.is_none());

    world.fake.answer(Part::PrivateUse, usage(2, Some(4)));
    pass(Duration::from_secs(10)).await;
    world.until_answered(7).await;
    assert_eq!(world.gauges(), [Some(4), Some(2)]);
}

#[tokio::test]
async fn one_odd_answer_does_not_lift_a_limit() {
    let world = world(ParallelJobs::Auto).await;
    let desk = world.desk().await;
    world.until_told(1).await;
    assert_eq!(world.gauges()[0], Some(10));
    for part in [Part::PrivateUse, Part::PublicUse] {
        world.fake.answer(part, Answer::new(404, ""));
    }
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    round(&desk).await;
    pass(Duration::from_secs(10)).await;
    world.until_answered(3).await;
    assert_eq!(world.gauges()[0], Some(10));
    // And it is asked for again soon, not in an hour.
    world.fake.answer(Part::PrivateUse, usage(2, Some(4)));
    round(&desk).await;
    pass(Duration::from_secs(20)).await;
    world.until_answered(4).await;
    assert_eq!(world.gauges()[0], Some(4));
}

#[tokio::test]
async fn a_limit_that_azure_can_not_find_out_is_the_last_known_one() {
    let world = world(ParallelJobs::Auto).await;
    let _desk = world.desk().await;
    world.until_told(1).await;
    let failed = r#"{"usedCount":7,"resourceLimit":{"totalCount":1,"failedToReachAllProviders":true}}"#;
    world.fake.answer(Part::PrivateUse, Answer::new(200, failed));
    pass(Duration::from_secs(30)).await;
    world.until_told(2).await;
    assert_eq!(world.gauges(), [Some(10), Some(7)]);

    world.fake.answer(Part::PrivateUse, usage(7, None));
    pass(Duration::from_secs(30)).await;
    world.until_told(3).await;
    assert_eq!(world.gauges(), [None, Some(7)], "a limit that is gone");
}

#[tokio::test]
async fn the_limits_are_asked_for_where_the_use_does_not_tell_them() {
    let world = world(ParallelJobs::Auto).await;
    world.fake.answer(Part::PrivateUse, Answer::new(200, r#"{"usedCount":2}"#));
    world.fake.answer(Part::Limits, Answer::list(&[r#"{"parallelismTag":"Private","totalCount":4}"#]));
    let _desk = world.desk().await;
    world.until_told(1).await;
    assert_eq!(world.gauges(), [Some(4), Some(2)]);
    assert_eq!(world.fake.count(Part::Limits), 1);
}

#[tokio::test]
async fn where_there_are_no_licences_azure_is_left_alone_for_an_hour() {
    let world = world(ParallelJobs::Auto).await;
    for part in [Part::PrivateUse, Part::PublicUse] {
        world.fake.answer(part, Answer::new(404, ""));
    }
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    let desk = world.desk().await;
    world.until_told(1).await;
    for _ in 0..6 {
        pass(Duration::from_secs(590)).await;
        round(&desk).await;
    }
    assert_eq!(world.asked().await, [1, 1]);
    assert_eq!(world.gauges(), [None, None]);
    world.fake.answer(Part::PrivateUse, usage(0, Some(2)));
    pass(Duration::from_mins(1)).await;
    round(&desk).await;
    world.until_told(2).await;
    assert_eq!(world.gauges(), [Some(2), Some(0)]);
}

#[tokio::test]
async fn off_is_off() {
    let world = world(ParallelJobs::Off).await;
    let desk = world.desk().await;
    for _ in 0..3 {
        pass(Duration::from_secs(30)).await;
        round(&desk).await;
    }
    assert_eq!(world.asked().await, [0, 0]);
    assert_eq!(world.gauges(), [None, None]);
}

#[tokio::test]
async fn a_number_holds_from_the_start_and_whatever_azure_says() {
    let world = world(ParallelJobs::Limit(5)).await;
    world.fake.answer(Part::PrivateUse, Answer::new(503, ""));
    let _desk = world.desk().await;
    assert_eq!(world.gauges(), [Some(5), None]);
    world.fake.answer(Part::PrivateUse, usage(3, Some(10)));
    world.fake.answer(Part::PublicUse, usage(1, Some(2)));
    pass(Duration::from_secs(30)).await;
    world.fake.until_asked(Part::PrivateUse, 2).await;
    world.fake.until_asked(Part::PublicUse, 1).await;
    world.until_answered(3).await;
    assert_eq!(world.gauges(), [Some(5), Some(3)]);
    assert_eq!(world.gauge("limit", "public"), None, "it is about private jobs");
    world.fake.answer(Part::PrivateUse, Answer::new(404, ""));
    world.fake.answer(Part::PublicUse, Answer::new(404, ""));
    pass(Duration::from_secs(30)).await;
    world.until_answered(5).await;
    assert_eq!(world.gauges(), [Some(5), None]);
}

#[tokio::test]
async fn patience_is_kept_here_too() {
    let world = world(ParallelJobs::Auto).await;
    world.fake.answer(Part::PublicUse, usage(0, None).with("retry-after", "60"));
    let desk = world.desk().await;
    world.until_told(1).await;
    pass(Duration::from_secs(45)).await;
    round(&desk).await;
    assert_eq!(world.asked().await, [1, 1]);
    pass(Duration::from_secs(20)).await;
    world.until_told(2).await;
}

#[tokio::test]
async fn a_stop_ends_the_watch_in_the_middle_of_a_request() {
    let world = world(ParallelJobs::Auto).await;
    let _desk = world.desk().await;
    world.until_told(1).await;
    world.fake.set_open(false);
    pass(Duration::from_secs(30)).await;
    world.fake.until_asked(Part::PrivateUse, 2).await;
    assert!(world.azure.stop(Duration::from_secs(5)).await);
}
