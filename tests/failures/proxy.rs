//! A line between the scaler and the organisation that delays, drops, resets, half-closes or dribbles what it carries.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use crate::{
    contoso::organization,
    course::observe,
    world::{Azure, Scaler},
};

/// What befalls an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Sound,
    /// Each piece comes later.
    Delays,
    /// Nothing of it comes, and the connection is closed.
    Drops,
    /// All but its last byte comes, then the connection is reset.
    Resets,
    /// All but its last byte comes, then nothing more can.
    HalfCloses,
    /// It comes a byte at a time.
    Dribbles,
}

struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
}

impl Proxy {
    async fn start(behind: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, now) = watch::channel(Line::Sound);
        tokio::spawn(async move {
            while let Ok((front, _)) = listener.accept().await {
                // Either end may go.
                tokio::spawn(carry(front, behind, now.clone()));
            }
        });
        Self { port, line }
    }
}

async fn carry(mut front: TcpStream, behind: u16, line: watch::Receiver<Line>) -> io::Result<()> {
    front.set_nodelay(true)?;
    let mut back = TcpStream::connect(("127.0.0.1", behind)).await?;
    let (mut answers, mut asks) = back.split();
    let (mut questions, mut hears) = front.split();
    let answering = async {
        let mut piece = vec![0; 16 << 10];
        loop {
            let length = answers.read(&mut piece).await?;
            let (piece, line) = (&piece[..length], *line.borrow());
            match line {
                _ if length == 0 => return Ok(line),
                Line::Sound => hears.write_all(piece).await?,
                Line::Delays => {
                    sleep(Duration::from_millis(1_500)).await;
                    hears.write_all(piece).await?;
                }
                Line::Dribbles => {
                    for byte in piece {
                        hears.write_all(&[*byte]).await?;
                        tokio::task::yield_now().await;
                    }
                }
                Line::Drops => return Ok(line),
                Line::Resets | Line::HalfCloses => {
                    hears.write_all(&piece[..length - 1]).await?;
                    return Ok(line);
                }
            }
        }
    };
    let ended = tokio::select! {
        ended = answering => ended,
        asked = copy(&mut questions, &mut asks) => asked.map(|_| Line::Drops),
    };
    match ended? {
        Line::Resets => front.set_zero_linger(),
        Line::HalfCloses => {
            front.shutdown().await?;
            copy(&mut front, &mut tokio::io::sink()).await.map(|_| ())
        }
        _ => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_faulty_line_costs_errors_and_never_a_wrong_number() {
    let azure = Azure::start().await;
    let proxy = Proxy::start(azure.port()).await;
    let scaler = Scaler::start(&organization(&format!("http://127.0.0.1:{}/contoso", proxy.port)));
    let cases = [
        (Line::Delays, "ok", None),
        (Line::Dribbles, "ok", None),
        (Line::Drops, "unreachable", Some("no connection (")),
        (Line::Resets, "unreachable", Some("Connection reset by peer")),
        (Line::HalfCloses, "unreachable", Some("the answer broke off (")),
    ];
    for (line, outcome, words) in cases {
        let may_hang = line == Line::Delays;
        let becomes = async |line| {
            proxy.line.send_replace(line);
        };
        let course =
            observe(&scaler, may_hang, async || becomes(line).await, async || becomes(Line::Sound).await).await;
        assert_eq!(course.outcome, outcome, "{line:?}");
        let message = course.error.as_ref().map(tonic::Status::message);
        assert_eq!(message.is_some(), words.is_some(), "{line:?}: {message:?}");
        assert!(message.unwrap_or_default().contains(words.unwrap_or_default()), "{line:?}: {message:?}");
    }
}
