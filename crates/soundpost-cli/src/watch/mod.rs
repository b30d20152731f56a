//! `soundpost top`: a live view of a service.

mod frame;
mod screen;
mod window;

use std::io::Write;
use std::time::Duration;

use crate::arguments::{Top, Which};
use crate::failure::Failure;
use crate::output::Terminal;
use crate::which;
use frame::{Frame, Size};
use screen::{Event, Screen};
use window::Window;

/// The shortest time between two looks.
const LEAST: Duration = Duration::from_millis(100);

/// Shows the service until it is told to end; once where there is no terminal.
pub(crate) fn show(
    which: &Which,
    command: &Top,
    terminal: Terminal,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let mut service = which::service(which)?;
    let mut window = Window::default();
    if command.once || !terminal.is_terminal {
        let frame = Frame::look(&mut service, &mut window);
        for line in frame.lines(Size::unbounded(), terminal.paint) {
            writeln!(out, "{line}")?;
        }
        return Ok(0);
    }
    let failed = |error: std::io::Error| Failure::Failed(format!("terminal: {error}"));
    let mut screen = Screen::open(out).map_err(failed)?;
    let interval = command.interval.max(LEAST);
    loop {
        let frame = Frame::look(&mut service, &mut window);
        screen.draw(&frame.lines(screen.size(), terminal.paint))?;
        match screen.wait(interval).map_err(failed)? {
            Event::End => return Ok(0),
            Event::Look => {}
        }
    }
}
