//! The same server for programs that are not written in Rust: see the README.

use std::{
    io::{self, BufRead as _, Write as _},
    process::ExitCode,
};

use parlor_test_postgres::{Purpose, Server, Stop};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let purpose = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Purpose::Tests,
        ["--durable"] => Purpose::Figures,
        _ => return complain("usage: parlor-test-postgres [--durable]"),
    };
    match Server::start_for(purpose) {
        Ok(server) => match obey(&server) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error.to_string()),
        },
        Err(error) => complain(&error.to_string()),
    }
}

fn complain(what: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "parlor-test-postgres: {what}");
    ExitCode::FAILURE
}

/// Says where the server is, then does what each line of the input says, until there are no more.
fn obey(server: &Server) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{}", server.url("parlor"))?;
    output.flush()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let done = match command {
            "stop" => server.stop(Stop::Fast).map(|()| String::new()),
            "crash" => server.stop(Stop::Crash).map(|()| String::new()),
            "start" => server.start_again().map(|()| String::new()),
            "sql" => server.admin(rest),
            _ => {
                writeln!(output, "failed there is no command `{command}`")?;
                output.flush()?;
                continue;
            }
        };
        let (word, text) = match done {
            Ok(text) => ("ok", text),
            Err(error) => ("failed", error.to_string()),
        };
        // One line for each command.
        writeln!(output, "{word} {}", text.replace('\n', "; "))?;
        output.flush()?;
    }
    Ok(())
}
