//! Laws of the budget.

use proptest::prelude::*;

use super::*;

const SMALL: usize = 20;

fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

proptest! {
    /// Whatever is asked when: no window has more than the cap, and who waits as long as he is told gets through.
    #[test]
    fn the_cap_holds_in_every_window(gaps in prop::collection::vec(0_u64..40_000, 1..300)) {
        let mut budget = Budget::capped(SMALL);
        let mut now = Instant::now();
        let mut sent: Vec<Instant> = Vec::new();
        for gap in gaps {
            now += Duration::from_millis(gap);
            prop_assert_eq!(budget.wait(now).is_some(), budget.left(now) <= 0.0);
            if let Err(wait) = budget.take(now) {
                prop_assert!(wait <= WINDOW && budget.wait(now) == Some(wait));
                prop_assert!(budget.take(now + wait - Duration::from_millis(1)).is_err(), "no longer than needed");
                now += wait;
                prop_assert!(budget.take(now).is_ok());
            }
            sent.push(now);
        }
        for (place, first) in sent.iter().enumerate() {
            let within = sent[place..].iter().take_while(|at| at.duration_since(*first) < WINDOW).count();
            prop_assert!(within <= SMALL, "{} in one window", within);
        }
    }

    /// The less is left, the longer; never beyond its bounds, and never shorter than usual.
    #[test]
    fn times_stretch_as_the_budget_shrinks(usual in 0_u64..100_000, longest in 0_u64..100_000, left in -1.0..2.0_f64, less in 0.0..1.0_f64) {
        let (usual, longest) = (Duration::from_millis(usual), Duration::from_millis(longest));
        let time = stretched(usual, longest, left);
        prop_assert!(time >= usual && time <= longest.max(usual));
        prop_assert!(stretched(usual, longest, left - less) >= time);
        prop_assert_eq!(stretched(usual, longest, AMPLE), usual);
        prop_assert_eq!(stretched(usual, longest, 0.0), longest.max(usual));
    }

    /// Azure's word counts where it says less, for as long as it is good.
    #[test]
    fn azure_has_the_last_word(own in 0..SMALL, told in 0.0..1.0_f64, lasts in 1_u64..300) {
        let mut budget = Budget::capped(SMALL);
        let now = Instant::now();
        for _ in 0..own {
            prop_assert!(budget.take(now).is_ok());
        }
        let before = budget.left(now);
        budget.hear(told, Duration::from_secs(lasts), now);
        prop_assert!(is_same(budget.left(now), before.min(told)));
        prop_assert!(is_same(budget.left(now + WINDOW), 1.0));
        let end = now + Duration::from_secs(lasts);
        let afterwards = if lasts < 300 { before } else { 1.0 };
        prop_assert!(is_same(budget.left(end), afterwards));
    }
}
