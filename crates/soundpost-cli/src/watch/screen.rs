//! The terminal while it shows a live view: its other screen, no echo, and everything put back at the end.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::frame::Size;
use crate::signals::{Signals, readable};

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const TO_LINE_END: &str = "\x1b[K";
const TO_SCREEN_END: &str = "\x1b[J";
/// What a terminal has that does not say.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// What happened while the view was waiting.
pub(super) enum Event {
    /// It is time to look, or the terminal has another size.
    Look,
    /// It is to end.
    End,
}

pub(super) struct Screen<'a> {
    out: &'a mut dyn Write,
    signals: Signals,
    /// How the terminal was, where keys come from one.
    before: Option<Termios>,
}

impl<'a> Screen<'a> {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When signals cannot be had, or it cannot be written.
    pub(super) fn open(out: &'a mut dyn Write) -> io::Result<Self> {
        let signals = Signals::take(&[
            Signal::SIGWINCH,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
        ])?;
        let before = tcgetattr(io::stdin()).ok();
        if let Some(mut keys) = before.clone() {
            // Keys one by one and unseen; Ctrl-C goes on being a signal.
            keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            tcsetattr(io::stdin(), SetArg::TCSANOW, &keys)?;
        }
        let screen = Self { out, signals, before };
        screen.out.write_all(ENTER.as_bytes())?;
        Ok(screen)
    }

    /// Rows and columns it has now.
    pub(super) fn size(&self) -> Size {
        let known = terminal_size::terminal_size();
        known.map_or(USUAL, |(columns, rows)| Size { columns: columns.0.into(), rows: rows.0.into() })
    }

    /// Shows these lines and nothing else; without a flicker.
    pub(super) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let lines = lines.join(&format!("{TO_LINE_END}\r\n"));
        write!(self.out, "{HOME}{lines}{TO_LINE_END}{TO_SCREEN_END}")?;
        self.out.flush()
    }

    /// Waits for a key, a signal, or the time of the next look.
    pub(super) fn wait(&mut self, interval: Duration) -> io::Result<Event> {
        let next = Instant::now() + interval;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Event::Look);
            }
            let [signal, key] = if self.before.is_some() {
                readable([self.signals.as_fd(), io::stdin().as_fd()], left)?
            } else {
                let [signal] = readable([self.signals.as_fd()], left)?;
                [signal, false]
            };
            if signal && let Some(arrived) = self.signals.wait(Duration::ZERO)? {
                return Ok(if arrived.signal == Signal::SIGWINCH { Event::Look } else { Event::End });
            }
            if key && ends(&mut io::stdin())? {
                return Ok(Event::End);
            }
        }
    }
}

/// Whether a key says to end; so does the end of the input.
fn ends(input: &mut impl Read) -> io::Result<bool> {
    let mut keys = [0; 64];
    let count = input.read(&mut keys)?;
    Ok(count == 0 || keys[..count].iter().any(|key| matches!(key, b'q' | b'Q' | 0x03 | 0x04)))
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        let _ = self.out.write_all(LEAVE.as_bytes()).and_then(|()| self.out.flush());
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        }
    }
}
