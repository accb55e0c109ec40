//! The terminal as a screen: taken over, drawn on, and given back whatever happens.

use std::{
    io,
    mem::ManuallyDrop,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, poll, read},
};
use tokio::sync::oneshot;

use super::view::{Scene, draw};

/// How long the reader of keys takes to notice that the screen is closed.
const NOTICE: Duration = Duration::from_millis(100);

/// The terminal while it is ours.
pub(super) struct Screen {
    /// Never dropped: on a terminal that is gone its own end would panic for want of a place to complain.
    terminal: ManuallyDrop<DefaultTerminal>,
    quit: Option<oneshot::Receiver<()>>,
    closed: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn open() -> io::Result<Self> {
        let terminal = ManuallyDrop::new(ratatui::try_init()?);
        let (pressed, quit) = oneshot::channel();
        let closed = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&closed);
        // Reading keys blocks, so it has a thread of its own, which ends with the screen.
        std::thread::spawn(move || {
            while !watched.load(Ordering::Relaxed) {
                if poll(NOTICE).unwrap_or(false) && read().is_ok_and(|event| is_quit(&event)) {
                    let _ = pressed.send(());
                    return;
                }
            }
        });
        Ok(Self { terminal, quit: Some(quit), closed })
    }

    /// Ends when somebody presses `q`, Escape or Control-C.
    pub(super) fn quit(&mut self) -> impl Future<Output = ()> + use<> {
        let quit = self.quit.take();
        async move {
            let pressed = match quit {
                Some(quit) => quit.await.is_ok(),
                None => false,
            };
            if !pressed {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Draws one picture. A terminal that is gone is noticed by the signal that comes with it.
    pub(super) fn draw(&mut self, scene: &Scene) {
        let _ = self.terminal.draw(|frame| draw(frame, scene));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Where the terminal itself is gone there is nothing to give back, and nobody to tell.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

fn is_quit(event: &Event) -> bool {
    let Event::Key(KeyEvent { code, modifiers, .. }) = event else { return false };
    match code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c') => modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}
