//! The router program.

use std::process::ExitCode;

use clap::Parser as _;
use component::program;
use mimalloc::MiMalloc;
use router::cli;
use router::cli::args::{Args, PASSWORD_VARIABLE};
use router::process::frame::RouterProgram;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let Some(command) = &args.command else {
        return program::main::<RouterProgram>(&args.common);
    };
    let password = std::env::var(PASSWORD_VARIABLE).ok();
    let asked = args
        .admin(password.as_deref())
        .map_err(Into::into)
        .and_then(|admin| Ok(cli::run(command, &admin)?));
    asked.unwrap_or_else(|error: Box<dyn std::error::Error>| {
        program::complain(&*error);
        ExitCode::FAILURE
    })
}
