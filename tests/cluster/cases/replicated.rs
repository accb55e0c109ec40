//! Two replicas of the scaler under KEDA's operator: both know the same, or one of them leads.

use serde_json::json;

use super::operated::{A_WHILE, QUICK, started_no_more_than};
use crate::{
    installation::Installation,
    within::{becomes, within},
    world::World,
};

pub(crate) async fn keda_gets_one_answer_from_two_replicas(world: World) {
    let mut installed = Installation::new(world, QUICK).await;
    let other = installed.another_scaler(2).await;
    installed.other_service.leads_to(&other);
    // Each replica is asked about one of two that fit the same jobs, and leaves the other one its part.
    let small = installed.manifest("small", "docker");
    let mut large = installed.manifest("large", "docker, java=17");
    large["spec"]["triggers"][0]["metadata"]["scalerAddress"] = json!(installed.other_service.address);
    installed.apply(&small).await;
    installed.apply(&large).await;
    installed.organization.queue(3, &["java"], A_WHILE).await;
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    installed.organization.has_run(7).await;
    other.asked_again(3).await;
    started_no_more_than(&installed, 7).await;
    assert_eq!(["small", "large"].map(|name| installed.nodes.started_for(name)), [4, 3]);

    // Now nobody starts what is missing, so that it stays the same while both are asked about both.
    installed.operator.kill();
    installed.organization.queue(2, &["java"], A_WHILE).await;
    installed.organization.queue(3, &["docker"], A_WHILE).await;
    for replica in [&installed.scaler, &other] {
        let tells = async || [replica.tells(&small).await, replica.tells(&large).await];
        becomes("what it tells of small and large", [3.0, 2.0], tells).await;
    }
}

pub(crate) async fn keda_is_led_to_the_replica_that_leads(world: World) {
    let mut installed = Installation::electing(world, QUICK).await;
    let other = installed.another_scaler(2).await;
    installed.apply(&installed.manifest("linux", "docker")).await;
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    becomes("whether agents are on their way", true, async || installed.nodes.started() > 0).await;
    for _ in 0..3 {
        installed.scaler.asked_again(1).await;
        assert!(installed.scaler.is_ready().await && !other.is_ready().await, "one leads, and the other does not");
    }
    // What it did not start itself, the next one finds in the cluster.
    let leader = std::mem::replace(&mut installed.scaler, other);
    installed.organization.queue(2, &["docker"], A_WHILE).await;
    leader.stop().await;
    within("the other to be ready", async || installed.scaler.is_ready().await.then_some(())).await;
    installed.service.leads_to(&installed.scaler);
    installed.organization.has_run(6).await;
    started_no_more_than(&installed, 6).await;
    installed.scaler.stop().await;
}
