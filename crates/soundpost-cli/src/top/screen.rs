//! The terminal during a live view: the alternate screen without echo, restored at the end.

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
/// Fallback terminal size.
const DEFAULT_SIZE: Size = Size { columns: 80, rows: 24 };

pub(super) enum Event {
    /// The interval passed, or the terminal was resized.
    Refresh,
    Quit,
}

pub(super) struct Screen<'a> {
    out: &'a mut dyn Write,
    signals: Signals,
    /// Settings of the terminal before, where keys come from one.
    saved: Option<Termios>,
}

impl<'a> Screen<'a> {
    /// Switches the terminal to the live view.
    pub(super) fn open(out: &'a mut dyn Write) -> io::Result<Self> {
        let signals = Signals::block(&[
            Signal::SIGWINCH,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
        ])?;
        let saved = tcgetattr(io::stdin()).ok();
        if let Some(mut keys) = saved.clone() {
            // Unbuffered keys without echo; Ctrl-C stays a signal.
            keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            tcsetattr(io::stdin(), SetArg::TCSANOW, &keys)?;
        }
        let screen = Self { out, signals, saved };
        screen.out.write_all(ENTER.as_bytes())?;
        Ok(screen)
    }

    pub(super) fn size(&self) -> Size {
        let known = terminal_size::terminal_size();
        known.map_or(DEFAULT_SIZE, |(columns, rows)| Size { columns: columns.0.into(), rows: rows.0.into() })
    }

    /// Shows these lines alone, without a flicker.
    pub(super) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let lines = lines.join(&format!("{TO_LINE_END}\r\n"));
        write!(self.out, "{HOME}{lines}{TO_LINE_END}{TO_SCREEN_END}")?;
        self.out.flush()
    }

    pub(super) fn wait(&mut self, interval: Duration) -> io::Result<Event> {
        let next = Instant::now() + interval;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Event::Refresh);
            }
            let [signal, key] = if self.saved.is_some() {
                readable([self.signals.as_fd(), io::stdin().as_fd()], left)?
            } else {
                let [signal] = readable([self.signals.as_fd()], left)?;
                [signal, false]
            };
            if signal && let Some(received) = self.signals.wait(Duration::ZERO)? {
                return Ok(if received.signal == Signal::SIGWINCH { Event::Refresh } else { Event::Quit });
            }
            if key && is_quit_key(&mut io::stdin())? {
                return Ok(Event::Quit);
            }
        }
    }
}

/// Whether a key quits, as the end of the input does.
fn is_quit_key(input: &mut impl Read) -> io::Result<bool> {
    let mut keys = [0; 64];
    let count = input.read(&mut keys)?;
    Ok(count == 0 || keys[..count].iter().any(|key| matches!(key, b'q' | b'Q' | 0x03 | 0x04)))
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        let _ = self.out.write_all(LEAVE.as_bytes()).and_then(|()| self.out.flush());
        if let Some(saved) = &self.saved {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, saved);
        }
    }
}
