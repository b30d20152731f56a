//! The program `soundpost`; all of it is in the library, which the Python wheel runs as well.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    let status = soundpost_cli::run(std::env::args_os());
    std::process::ExitCode::from(u8::try_from(status).unwrap_or(1))
}
