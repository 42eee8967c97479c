//! `cargo run -p example-from-python`

use example_from_python::server;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "says where to look")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let server = server("from-python.db", &address).await?;
    println!("Open http://{}", server.local_addr()?);
    server.run(parlor_server::stop_signal()).await?;
    Ok(())
}
