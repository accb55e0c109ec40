//! ScaledObjects that the cluster shows: their pods are another object's, and not looked at.

use std::sync::Arc;

use azp_scaler::{
    cluster_view::{ClusterView, Doubt},
    trigger::{ScaledJobId, Strategy, Trigger},
};

use super::{scene::*, view::*};

#[test]
fn what_is_doubted_keeps_no_scaled_object_from_its_pods() {
    let scaled_object = shown(with(Strategy::ScaledObject), []);
    let mut scene = scene(std::slice::from_ref(&scaled_object));
    let doubt = Some(Doubt { until: at(60), reason: "the API server is silent".into() });
    scene.pool.see(Some(Arc::new(ClusterView { doubt, ..(*view(&[scaled_object])).clone() })));
    assert_eq!(scene.look(&jobs(1, 2, &[]), &[]).0, [2]);
}

#[test]
fn a_scaled_object_has_its_maximum_with_the_view_too() {
    let full = Trigger { max_replicas: 1, ..trigger("S", "") };
    let full = Trigger { strategy: Strategy::ScaledObject, ..full };
    let (agent, running) = busy("S-1", 9);
    check(&[shown(full, []), shown(trigger("U", ""), [])], &[running, job(10, &[])], &[agent], &[1, 1]);
}

#[test]
fn one_name_in_two_namespaces_is_refused_where_the_pods_of_one_are_not_looked_at() {
    for strategy in [Strategy::ScaledObject, Strategy::Default] {
        let mut other = with(Strategy::ScaledObject);
        other.id.scaled_job = ScaledJobId { namespace: "other".into(), ..other.id.scaled_job };
        let mut scene = scene(&[shown(with(strategy), []), shown(other, [])]);
        for trigger in scene.triggers.clone() {
            assert!(scene.pool.ask(&trigger, &snapshot(0, &[], &[]), at(0)).is_err(), "{strategy:?}");
        }
    }
}
