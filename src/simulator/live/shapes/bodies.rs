//! Bodies that break off, trickle, or burst when they are unpacked.

use std::{io, iter, sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use flate2::{Compress, Compression, FlushCompress};
use tokio::{sync::mpsc, time::sleep};
use tokio_stream::wrappers::ReceiverStream;

use crate::simulator::live::traffic::Traffic;

/// A body in pieces with pauses between. It breaks off when the trouble is over, and at the end unless it ends well.
pub(super) fn streamed(
    traffic: &Arc<Traffic>,
    pieces: impl IntoIterator<Item = Bytes, IntoIter: Send> + Send + 'static,
    pause: Duration,
    ends_well: bool,
) -> Body {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, io::Error>>(1);
    let (traffic, pieces) = (Arc::clone(traffic), pieces.into_iter());
    // Ends with the connection, too, which drops the receiver.
    tokio::spawn(async move {
        let sending = async {
            for piece in pieces {
                if sender.send(Ok(piece)).await.is_err() {
                    break;
                }
                sleep(pause).await;
            }
            ends_well
        };
        let has_ended_well = tokio::select! {
            ended_well = sending => ended_well,
            () = traffic.over() => false,
        };
        if !has_ended_well {
            let _ = sender.send(Err(io::ErrorKind::BrokenPipe.into())).await;
        }
    });
    Body::from_stream(ReceiverStream::new(receiver))
}

/// A thousand times the same packed MiB of blanks: with a full flush after it, each stands for itself.
pub(super) fn bomb() -> impl Iterator<Item = Bytes> + Send {
    const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut packed = Vec::with_capacity(16 << 10);
    let mut compress = Compress::new(Compression::best(), false);
    // Into memory, with room enough.
    let _ = compress.compress_vec(&vec![b' '; 1 << 20], &mut packed, FlushCompress::Full);
    iter::once(Bytes::from_static(&GZIP_HEAD)).chain(iter::repeat_n(Bytes::from(packed), 1024))
}
