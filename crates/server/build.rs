//! Makes the folder of the web assets, so that the server builds before they do.

use std::{env, fs, path::Path};

fn main() {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let assets = Path::new(&manifest).join("../../web/dist");
    println!("cargo::rerun-if-changed={}", assets.display());
    if let Err(error) = fs::create_dir_all(&assets) {
        println!("cargo::warning=cannot make {}: {error}", assets.display());
    }
}
