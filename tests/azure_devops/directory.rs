//! How pools are found.

use std::{sync::Arc, time::Duration};

use azp_scaler::{
    azure_devops::{directory::AzureDevOps, organization::Organization},
    metrics::Metrics,
    parallel_jobs::Headroom,
    pools::{Clock, Directory, FailureClass, PoolSelector},
};
use jiff::Timestamp;

use crate::{
    fake::{Answer, Part, pools},
    world::{World, in_no_time, named, organization, pass, polling, rules, standing_still, until},
};

#[tokio::test]
async fn a_pool_has_one_desk_however_it_is_named() {
    let world = World::start().await;
    let by_name = world.open(&named("Linux")).await.unwrap();
    for selector in [named("linux"), PoolSelector::Id(7), named("Linux")] {
        assert!(Arc::ptr_eq(&by_name, &world.open(&selector).await.unwrap()), "{selector}");
    }
    assert_eq!(world.fake.count(Part::Pools), 2, "once by name, once by number");
    assert_eq!(world.azure.desks().len(), 1);
    assert_eq!((by_name.id, &*by_name.name, &*by_name.organization), (7, "Linux", "contoso"));
}

#[tokio::test]
async fn an_unknown_organization_is_told_the_known_ones() {
    let world = World::start().await;
    let failure = world.azure.open("Fabrikam", &named("Linux")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotFound);
    assert!(failure.message.contains("`Fabrikam`") && failure.message.contains("`contoso`"), "{failure}");
    assert_eq!(world.fake.count(Part::Pools), 0);
}

#[tokio::test]
async fn who_asks_at_once_shares_one_look_up() {
    let world = World::start().await;
    world.fake.set_open(false);
    let askers: Vec<_> = (0..50)
        .map(|_| {
            let azure = Arc::clone(&world.azure);
            tokio::spawn(async move { azure.open("contoso", &named("Linux")).await.map(|desk| desk.id) })
        })
        .collect();
    world.fake.until_asked(Part::Pools, 1).await;
    world.fake.set_open(true);
    for asker in askers {
        assert_eq!(asker.await.unwrap().unwrap(), 7);
    }
    assert_eq!(world.fake.count(Part::Pools), 1);
}

#[tokio::test]
async fn a_failed_look_up_is_repeated_after_a_while() {
    let world = World::start().await;
    world.open(&named("Windows")).await.unwrap_err();
    let again = in_no_time(world.open(&named("Windows"))).await;
    assert_eq!(again.unwrap_err().class, FailureClass::NotFound);
    assert_eq!(world.fake.count(Part::Pools), 1);
    world.fake.answer(Part::Pools, Answer::list(&[r#"{"id":8,"name":"Windows"}"#]));
    pass(Duration::from_secs(10)).await;
    assert_eq!(world.open(&named("Windows")).await.unwrap().id, 8);
}

#[tokio::test]
async fn look_ups_wait_as_long_as_azure_asks() {
    let world = World::start().await;
    world.fake.answer(Part::Pools, Answer::new(429, "").with("retry-after", "30"));
    assert_eq!(world.open(&named("Linux")).await.unwrap_err().class, FailureClass::Throttled);
    let failure = world.open(&PoolSelector::Id(7)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Throttled);
    assert!(failure.message.contains("pool 7 of organization `contoso`"), "{failure}");
    assert_eq!(world.fake.count(Part::Pools), 1);
    world.fake.answer(Part::Pools, pools(7));
    pass(Duration::from_secs(30)).await;
    assert_eq!(world.open(&named("Linux")).await.unwrap().id, 7);
}

#[tokio::test]
async fn names_of_pools_are_remembered_up_to_a_bound() {
    let world = World::start().await;
    // They are old after ten seconds, which is less than a thousand requests take on a busy machine.
    standing_still(async {
        for id in 1_000..2_000 {
            world.open(&PoolSelector::Id(id)).await.unwrap_err();
        }
    })
    .await;
    let failure = world.open(&named("Linux")).await.unwrap_err();
    assert!(failure.message.contains("1000 names and numbers"), "{failure}");
    assert_eq!(world.fake.count(Part::Pools), 1_000);
    pass(Duration::from_secs(10)).await;
    world.open(&named("Linux")).await.expect("failed look-ups make room when they are old");
}

#[tokio::test]
async fn a_pool_that_was_made_anew_gets_a_new_desk() {
    let world = World::start().await;
    let old = world.desk().await;
    world.fake.answer(Part::Pools, Answer::new(404, ""));
    pass(Duration::from_secs(30)).await;
    until(&old, |look| look.failure.as_ref().is_some_and(|failure| failure.class == FailureClass::NotFound)).await;
    let asked = world.open(&named("Linux")).await.unwrap();
    assert!(Arc::ptr_eq(&old, &asked), "who asks is noted there");
    pass(Duration::from_secs(10)).await;
    assert_eq!(asked.snapshot().await.unwrap_err().class, FailureClass::NotFound);

    world.fake.answer(Part::Pools, pools(9));
    pass(Duration::from_secs(10)).await;
    let new = world.open(&named("Linux")).await.unwrap();
    assert_eq!(new.id, 9);
    let ids: Vec<i64> = world.azure.desks().iter().map(|desk| desk.id).collect();
    assert_eq!(ids, [9], "nothing is left of the pool that is gone");
}

#[tokio::test]
async fn a_pool_that_was_out_of_sight_goes_on_at_its_desk() {
    let world = World::start().await;
    let old = world.desk().await;
    world.fake.answer(Part::Pools, Answer::new(404, ""));
    world.fake.answer(Part::JobRequests, Answer::new(404, ""));
    old.nudge();
    until(&old, |look| look.failure.is_some()).await;
    assert!(Arc::ptr_eq(&old, &world.open(&named("Linux")).await.unwrap()));

    world.fake.answer(Part::Pools, pools(7));
    world.fake.answer(Part::JobRequests, Answer::list(&[]));
    pass(Duration::from_secs(10)).await;
    assert!(Arc::ptr_eq(&old, &world.open(&named("Linux")).await.unwrap()));
    old.nudge();
    until(&old, |look| look.failure.is_none()).await;
    assert_eq!(world.azure.desks().len(), 1);
}

#[tokio::test]
async fn a_stop_ends_all_pollers() {
    let world = World::start().await;
    let desk = world.desk().await;
    world.fake.set_open(false);
    desk.nudge();
    world.fake.until_asked(Part::JobRequests, 2).await;
    assert!(world.azure.stop(Duration::from_secs(5)).await, "even in the middle of a round");
    assert!(desk.look().has_changed().is_err(), "nobody publishes any more");
}

#[test]
fn all_faults_of_all_organizations_are_told() {
    let clock = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async { Clock::starting_at(Timestamp::UNIX_EPOCH) });
    let organizations =
        [organization("http://tfs.example/x"), Organization { name: "fabrikam".into(), ..organization("nowhere") }];
    let faults =
        AzureDevOps::new(&organizations, polling(), rules(), Headroom::Quarter, clock, &Metrics::new()).err().unwrap();
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let [plain, unreadable] = faults.as_slice() else { panic!("{faults:?}") };
    assert!(plain.contains("`contoso`") && plain.contains("`http://tfs.example/x` would send the token unencrypted"));
    assert!(unreadable.contains("`fabrikam`") && unreadable.contains("write it like"));
}
