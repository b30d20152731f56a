//! `soundpost top`: a live view of a service.

mod frame;
mod screen;
mod window;

use std::time::Duration;

use crate::arguments::Top;
use crate::error::CommandError;
use crate::output::Output;
use crate::service::ServiceArgs;
use frame::{Frame, Size};
use screen::{Event, Screen};
use window::Window;

const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Shows the service until the user quits; once without a terminal.
pub(crate) fn show(service: &ServiceArgs, command: &Top, out: &mut Output<'_>) -> Result<i32, CommandError> {
    let mut service = service.open()?;
    let mut window = Window::default();
    let terminal = out.terminal;
    if command.once || !terminal.is_terminal {
        out.lines(Frame::read(&mut service, &mut window).lines(Size::unbounded(), terminal.paint))?;
        return Ok(0);
    }
    let failed = |error: std::io::Error| CommandError::failed("terminal", &error);
    let mut screen = Screen::open(out.writer).map_err(failed)?;
    let interval = command.interval.max(MIN_INTERVAL);
    loop {
        let frame = Frame::read(&mut service, &mut window);
        screen.draw(&frame.lines(screen.size(), terminal.paint))?;
        match screen.wait(interval).map_err(failed)? {
            Event::Quit => return Ok(0),
            Event::Refresh => {}
        }
    }
}
