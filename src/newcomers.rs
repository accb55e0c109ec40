//! Clients that have connected and have not come in yet: a bounded number, of which the oldest makes room for a new one, so that
//! those who say nothing keep nobody out.
//!
//! Knows tasks alone, nothing of what a server lets in.

use std::collections::VecDeque;

use tokio::task::{AbortHandle, JoinError, JoinSet};

/// How many are let wait.
pub const MOST: usize = 128;

/// What lets each of them in, under way.
#[derive(Debug)]
pub struct Newcomers<T> {
    letting_in: JoinSet<T>,
    oldest: VecDeque<AbortHandle>,
}

impl<T: Send + 'static> Newcomers<T> {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self { letting_in: JoinSet::new(), oldest: VecDeque::new() }
    }

    /// One more, for whom the oldest is dropped where there are too many.
    pub fn push(&mut self, let_in: impl Future<Output = T> + Send + 'static) {
        if self.oldest.len() >= MOST
            && let Some(oldest) = self.oldest.pop_front()
        {
            oldest.abort();
        }
        self.oldest.push_back(self.letting_in.spawn(let_in));
    }

    /// What becomes of the next; an error where it was dropped. Nothing where there is nobody, and nothing is lost when it is
    /// not waited for.
    pub async fn next(&mut self) -> Option<Result<T, JoinError>> {
        let ended = self.letting_in.join_next().await;
        self.oldest.retain(|handle| !handle.is_finished());
        ended
    }

    /// Whether so many have not been taken by [`next`](Self::next) that no more should come.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.letting_in.len() >= 2 * MOST
    }
}

impl<T: Send + 'static> Default for Newcomers<T> {
    fn default() -> Self {
        Self::new()
    }
}
