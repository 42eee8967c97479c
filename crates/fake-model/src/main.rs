//! Runs the fake model server by hand.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use parlor_fake_model::{FakeModel, Options};

/// A model server for tests: speaks the wire formats of the real ones and misbehaves on demand.
#[derive(Parser)]
#[command(name = "parlor-fake-model", version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: String,
    /// Milliseconds before each delta.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Answer 401 unless requests carry this key.
    #[arg(long)]
    require_key: Option<String>,
    /// Answer every request with this many deltas, prepared once, and record nothing.
    #[arg(long, value_name = "DELTAS")]
    bench: Option<usize>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        delay: Duration::from_millis(arguments.delay_ms),
        require_key: arguments.require_key,
        bench_deltas: arguments.bench,
    };
    let model = FakeModel::bind(&arguments.listen, options)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let mut stdout = std::io::stdout();
    // Whoever started this process reads the line to learn the port.
    writeln!(stdout, "listening on {}", model.url())?;
    stdout.flush()?;
    model.serve().await;
    Ok(())
}
