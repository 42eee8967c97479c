//! Prints the JSON Schema of the protocol, as `contract/chatkit.schema.json` holds it.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    let mut schema = serde_json::to_vec_pretty(&parlor_protocol::json_schema())?;
    schema.push(b'\n');
    io::stdout().write_all(&schema)
}
