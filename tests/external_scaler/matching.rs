//! The built-in scaler's keys, where they are wanted and where they are not, and the strategies.

use azp_scaler::{
    builtin::{Agreement, Builtin},
    external_scaler::{Came, Request},
    trigger::{Strategy, Trigger},
};

use crate::world::{organizations, reference};

#[track_caller]
fn trigger(entries: &[(&str, &str)]) -> Trigger {
    let request = Request::read(reference(entries), Came::InTheClear, &organizations()).unwrap();
    Trigger::clone(&request.trigger)
}

#[track_caller]
fn fault(entries: &[(&str, &str)]) -> String {
    Request::read(reference(entries), Came::InTheClear, &organizations()).unwrap_err().to_string()
}

/// A trigger that wants the built-in scaler's number.
#[track_caller]
fn builtin(entries: &[(&str, &str)]) -> Trigger {
    trigger(&[&[("matching", "builtin")], entries].concat())
}

#[test]
fn the_built_in_scalers_keys_mean_what_they_mean_to_it() {
    assert_eq!(builtin(&[]).builtin, Some(Builtin::default()));
    let set = builtin(&[
        ("demands", " docker, java "),
        ("requireAllDemandsAndIgnoreOthers", "T"),
        ("caseInsensitiveDemandsProcessing", "1"),
        ("scaleOnInFlight", "False"),
        ("maxReplicaCount", "20"),
        ("minReplicaCount", "1"),
        ("targetPipelinesQueueLength", "2"),
        ("activationTargetPipelinesQueueLength", "3"),
    ]);
    let wanted = Builtin {
        parent: None,
        demands: "docker, java".to_owned(),
        agreement: Agreement::OfTheTrigger,
        ignores_case: true,
        counts_in_flight: false,
    };
    assert_eq!(set.builtin, Some(wanted), "KEDA trims the whole value, and nothing in it");
    assert_eq!((set.max_replicas, set.min_replicas, set.target, set.activation), (20, 1, 2, 3));
    let templated = builtin(&[("parent", "template")]);
    assert_eq!(templated.builtin.unwrap().parent.as_deref(), Some("template"));
    assert_eq!(templated.parent, None, "its capabilities are not taken over");
}

#[test]
fn to_keda_an_empty_value_is_none() {
    let empty = builtin(&[("parent", ""), ("demands", " "), ("requireAllDemands", ""), ("scaleOnInFlight", "")]);
    assert_eq!(empty.builtin, Some(Builtin::default()));
}

#[test]
fn of_two_rules_for_demands_kedas_first_wins() {
    let both = [("demands", "docker"), ("requireAllDemands", "true"), ("requireAllDemandsAndIgnoreOthers", "true")];
    let both = builtin(&both);
    assert_eq!(both.builtin.unwrap().agreement, Agreement::Both);
    assert!(both.hints[1].starts_with("`requireAllDemands` goes before"), "{:?}", both.hints);
    let one = builtin(&[("demands", "docker"), ("requireAllDemands", "true")]);
    assert_eq!((one.builtin.unwrap().agreement, one.hints.len()), (Agreement::Both, 1));
}

#[test]
fn whoever_asks_for_the_built_in_scalers_number_is_told_what_it_is() {
    let hints = builtin(&[]).hints;
    assert_eq!(hints.len(), 1);
    assert!(hints[0].starts_with("`matching: builtin` counts as KEDA's built-in scaler does"), "{hints:?}");
    let beside = builtin(&[("parent", "template"), ("demands", "docker")]).hints;
    assert!(beside[1].starts_with("`demands` means nothing beside `parent`"), "{beside:?}");
}

#[test]
fn yes_and_no_are_as_go_reads_them() {
    let flag = |value: &str| builtin(&[("scaleOnInFlight", value)]).builtin.unwrap().counts_in_flight;
    assert!(["1", "t", "T", "true", "TRUE", "True"].into_iter().all(flag));
    assert!(!["0", "f", "F", "false", "FALSE", "False"].into_iter().any(flag));
    for (key, value) in [("requireAllDemands", "yes"), ("caseInsensitiveDemandsProcessing", "tRUE")] {
        let expected = format!("`{key}` is `{value}`: it must be `true` or `false`");
        assert_eq!(fault(&[(key, value)]), expected, "wherever it stands");
        assert_eq!(fault(&[("matching", "builtin"), (key, value)]), expected);
    }
}

#[test]
fn what_means_nothing_to_the_built_in_scaler_is_refused_beside_it() {
    for (key, value, mend) in [
        ("capabilities", "docker", "write `demands` instead, or leave `matching` out"),
        ("capabilitiesFrom", "learned", "leave one of the two out"),
        ("jobsWithoutDemands", "take", "leave one of the two out"),
        ("priority", "high", "leave one of the two out"),
    ] {
        let expected = format!("`{key}` is `{value}`, which means nothing beside `matching: builtin`: {mend}");
        assert_eq!(fault(&[("matching", "builtin"), (key, value)]), expected);
    }
}

#[test]
fn elsewhere_the_built_in_scalers_keys_are_hinted_at() {
    let demands = |entries: &[(&str, &str)]| {
        let trigger = trigger(entries);
        assert_eq!((trigger.builtin, trigger.hints.len()), (None, 1));
        trigger.hints[0].clone()
    };
    assert_eq!(
        demands(&[("demands", "docker, java -equals 17,Agent.Version -gtVersion 2.1,node -gtVersion 20.1")]),
        "`demands` means nothing here: write what the agents offer, as in `capabilities: docker, java=17, node=20.1`"
    );
    for empty in [
        "Agent.Version -gtVersion 2.1",
        "docker -has java",
        "",
        &"docker,".repeat(100),
        "java -equals 17,java -equals 11",
    ] {
        assert!(demands(&[("demands", empty)]).ends_with("in `capabilities`, such as `docker, java=17`"), "{empty}");
    }
    assert_eq!(
        demands(&[("demands", "docker"), ("capabilities", "docker")]),
        "`demands` means nothing here: `capabilities` says what the agents offer; leave it out"
    );
    for key in
        ["requireAllDemands", "requireAllDemandsAndIgnoreOthers", "caseInsensitiveDemandsProcessing", "scaleOnInFlight"]
    {
        let hint = demands(&[(key, "true")]);
        assert!(hint.starts_with(&format!("`{key}` means nothing here: ")) && hint.contains("leave it out"), "{hint}");
    }
}

#[test]
fn each_strategy_is_read() {
    let strategy = |entries: &[(&str, &str)]| trigger(entries).strategy;
    assert_eq!(strategy(&[("scalingStrategy", "accurate")]), Strategy::Accurate);
    assert_eq!(strategy(&[("scalingStrategy", "eager")]), Strategy::Eager);
    for (written, percentage) in [("0.5", 0.5), ("1", 1.0), (".25", 0.25), ("+5e-1", 0.5), ("-0.5", -0.5), ("2.", 2.0)]
    {
        let entries = [("scalingStrategy", "custom"), ("customScalingRunningJobPercentage", written)];
        assert_eq!(strategy(&entries), Strategy::Custom { deduction: 0, percentage }, "{written}");
    }
    let custom = [
        ("scalingStrategy", "custom"),
        ("customScalingRunningJobPercentage", "0.5"),
        ("customScalingQueueLengthDeduction", "-2"),
    ];
    assert_eq!(strategy(&custom), Strategy::Custom { deduction: -2, percentage: 0.5 });
}

#[test]
fn custom_is_whole_or_refused() {
    assert_eq!(
        fault(&[("scalingStrategy", "custom"), ("customScalingQueueLengthDeduction", "1")]),
        "`scalingStrategy` is `custom`, and `customScalingRunningJobPercentage` is not given, without which KEDA itself uses \
         `default`: give the ScaledJob's own, such as `0.5`, or write `scalingStrategy: default`"
    );
    for (key, strategy) in
        [("customScalingQueueLengthDeduction", "default"), ("customScalingRunningJobPercentage", "none")]
    {
        assert_eq!(
            fault(&[(key, "1"), ("scalingStrategy", strategy)]),
            format!(
                "`{key}` is `1`, which means nothing unless `scalingStrategy` is `custom`: leave it out, or write \
                 `scalingStrategy: custom`, as in the ScaledJob"
            )
        );
    }
    for value in ["half", "NaN", "inf", "1e999", "50%", "0,5"] {
        let entries = [("scalingStrategy", "custom"), ("customScalingRunningJobPercentage", value)];
        let expected = format!("`customScalingRunningJobPercentage` is `{value}`: it must be a number, such as `0.5`");
        assert_eq!(fault(&entries), expected);
    }
    let deduction = |value| {
        let rest = [("scalingStrategy", "custom"), ("customScalingRunningJobPercentage", "0.5")];
        fault(&[&rest[..], &[("customScalingQueueLengthDeduction", value)]].concat())
    };
    for value in ["1.5", "2147483648", "-2147483649"] {
        assert!(deduction(value).ends_with("it must be a whole number from -2147483648 to 2147483647"));
    }
}
