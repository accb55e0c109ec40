//! An answer's body, as long as it is not too long. Large ones are read one after the other, so that memory is bounded by one of them
//! however many pools are asked about at once.

use reqwest::Response;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What answers may take, and those who take turns with large ones.
#[derive(Debug)]
pub(super) struct Bounds {
    /// An answer with more bytes is large.
    large: usize,
    /// One with more is refused, packed or not.
    pub(super) most: usize,
    turns: Semaphore,
}

impl Bounds {
    /// Of a configured organization: large are some 1,800 job requests; 10,000 are 23 MB.
    pub(super) fn of_configured() -> Self {
        Self { large: 4 << 20, most: 64 << 20, turns: Semaphore::new(1) }
    }

    /// Of an organization that a trigger brings, which may be anybody's.
    pub(super) fn of_guest() -> Self {
        Self { large: 64 << 10, most: 8 << 20, turns: Semaphore::new(1) }
    }
}

/// A body, and its turn where it is a large one.
pub(super) struct Body<'turns> {
    pub(super) bytes: Vec<u8>,
    _turn: Option<SemaphorePermit<'turns>>,
}

/// Reads it, packed or not; nothing where it has more bytes than `most`.
pub(super) async fn read(mut response: Response, most: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    Ok(append(&mut response, most, &mut bytes).await?.then_some(bytes))
}

/// Likewise; what is large waits for its turn, and has it until it is dropped.
pub(super) async fn read_in_turn(mut response: Response, bounds: &Bounds) -> reqwest::Result<Option<Body<'_>>> {
    let mut bytes = Vec::new();
    if append(&mut response, bounds.large, &mut bytes).await? {
        return Ok(Some(Body { bytes, _turn: None }));
    }
    let turn = bounds.turns.acquire().await.ok();
    // At once: an allocator that is asked for ever larger pieces keeps some of them. What is not written to takes no memory.
    bytes.reserve_exact(bounds.most);
    Ok(append(&mut response, bounds.most, &mut bytes).await?.then_some(Body { bytes, _turn: turn }))
}

/// Whether it ended before there were more bytes than that.
async fn append(response: &mut Response, most: usize, bytes: &mut Vec<u8>) -> reqwest::Result<bool> {
    while bytes.len() <= most {
        match response.chunk().await? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => return Ok(true),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    const MOST: usize = 8 << 20;

    fn answer(length: usize) -> Response {
        axum::http::Response::new(vec![0; length]).into()
    }

    #[tokio::test]
    async fn large_answers_are_read_one_after_the_other() {
        let bounds = Bounds::of_guest();
        let &Bounds { large, most, .. } = &bounds;
        let first = read_in_turn(answer(large + 1), &bounds).await.unwrap().unwrap();
        assert_eq!(first.bytes.len(), large + 1);
        let mut second = pin!(read_in_turn(answer(most), &bounds));
        let polled = second.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "two are in memory at once");
        let small = read_in_turn(answer(large), &bounds).await.unwrap().unwrap();
        assert_eq!(small.bytes.len(), large);
        drop(first);
        assert_eq!(second.await.unwrap().unwrap().bytes.len(), most);
    }

    #[tokio::test]
    async fn what_is_too_large_leaves_nothing_and_no_turn_taken() {
        let bounds = Bounds::of_configured();
        assert!(read_in_turn(answer(bounds.most + 1), &bounds).await.unwrap().is_none());
        assert_eq!(bounds.turns.available_permits(), 1);
        assert!(read(answer(MOST + 1), MOST).await.unwrap().is_none());
        assert_eq!(read(answer(MOST), MOST).await.unwrap().unwrap().len(), MOST);
    }
}
