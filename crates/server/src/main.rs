//! `parlor`: the ChatKit server.

use std::process::ExitCode;

use clap::Parser as _;
use parlor_server::commands::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    parlor_server::commands::run(Cli::parse()).await
}
