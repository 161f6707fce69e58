//! Puts the built pages of `web/dist` into the binary, where `npm run build` has made them.
//!
//! `GRAPHIQL_DIST=none` builds as if it had not, so that the page from the CDN can be tried.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const DIST: &str = "web/dist";
const SWITCH: &str = "GRAPHIQL_DIST";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={SWITCH}");
    // Cargo takes a watched path that is not there for changed, and would build everything anew each time.
    if Path::new(DIST).exists() {
        println!("cargo::rerun-if-changed={DIST}");
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let root = variable("CARGO_MANIFEST_DIR").expect("Cargo sets it");
    let output = variable("OUT_DIR").expect("Cargo sets it");

    let dist = root.join(DIST);
    let page = dist.join("graphiql.html");
    let is_wanted = std::env::var_os(SWITCH).is_none_or(|value| value != "none");
    let code = if is_wanted && page.exists() {
        built(&page, &dist.join("assets"))?
    } else {
        "BuiltPages { graphiql: None, assets: &[] }".to_owned()
    };
    fs::write(output.join("built_pages.rs"), code)
}

/// Rust's text of a `BuiltPages` (see `src/server/pages.rs`).
fn built(page: &Path, assets: &Path) -> io::Result<String> {
    let mut files = fs::read_dir(assets)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    let assets: String = files
        .iter()
        .filter_map(|file| Some((file.file_name()?.to_str()?, file)))
        .map(|(name, file)| format!("({name:?}, include_bytes!({file:?})),"))
        .collect();
    Ok(format!(
        "BuiltPages {{ graphiql: Some(include_str!({page:?})), assets: &[{assets}] }}"
    ))
}
