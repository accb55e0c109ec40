//! Waiting for something that comes to be: asked again and again, for so long and no longer.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How soon we ask again.
const AGAIN: Duration = Duration::from_millis(50);

/// What `ask` brings, as soon as it brings something.
///
/// # Panics
///
/// Where it brings nothing within [`PATIENCE`], saying that `what` was waited for.
pub(crate) async fn within<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        sleep(AGAIN).await;
    }
}

/// Waits until `ask` brings `wanted`; where it never does, says what it brought last.
pub(crate) async fn becomes<T: PartialEq + std::fmt::Debug>(what: &str, wanted: T, mut ask: impl AsyncFnMut() -> T) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is = ask().await;
        if is == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{what} is {is:?} and never becomes {wanted:?}");
        sleep(AGAIN).await;
    }
}
