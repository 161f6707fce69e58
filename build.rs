//! Embeds the pages in `web/dist`, built by `npm run build`, in the binary, if they exist.
//!
//! `GRAPHIQL_DIST=none` ignores them, to test the CDN page.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

const DIST: &str = "web/dist";
const SWITCH: &str = "GRAPHIQL_DIST";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={SWITCH}");
    let dist = folder("CARGO_MANIFEST_DIR").join(DIST);
    // Cargo considers a missing watched path changed, and would rebuild everything each time.
    if dist.exists() {
        println!("cargo::rerun-if-changed={DIST}");
    }
    let page = dist.join("graphiql.html");
    let is_wanted = variable(SWITCH).is_none_or(|value| value != "none");
    let (page, assets) = if is_wanted && page.exists() {
        (Some(page), files(&dist.join("assets"))?)
    } else {
        (None, Vec::new())
    };
    let code = code(page.as_deref(), &assets).expect("a String takes any text");
    fs::write(folder("OUT_DIR").join("built_pages.rs"), code)
}

/// Rust code of a `BuiltPages` (see `src/server/pages.rs`).
fn code(page: Option<&Path>, assets: &[PathBuf]) -> Result<String, fmt::Error> {
    use fmt::Write;

    let mut code = String::from("BuiltPages { graphiql: ");
    match page {
        Some(page) => write!(code, "Some(include_str!({:?}))", page.display().to_string())?,
        None => code.push_str("None"),
    }
    code.push_str(", assets: &[");
    for asset in assets {
        let name = asset.file_name().unwrap_or_default().display().to_string();
        let path = asset.display().to_string();
        write!(code, "({name:?}, include_bytes!({path:?})),")?;
    }
    code.push_str("] }");
    Ok(code)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let files = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn folder(name: &str) -> PathBuf {
    variable(name).expect("Cargo sets it").into()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the build script has no settings"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
