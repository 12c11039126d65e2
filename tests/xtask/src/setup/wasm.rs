//! The edge's target.

use std::process::Command;

use crate::fault::Fault;
use crate::shell;

const TARGET: &str = "wasm32-wasip1";

/// Adds the target by rustup unless the compiler has it.
pub(super) fn bring() -> Result<(), Fault> {
    let library =
        shell::output("rustc", &["--print", "target-libdir", "--target", TARGET]).unwrap_or_default();
    if std::path::Path::new(library.trim()).is_dir() {
        return Ok(());
    }
    shell::say(&format!("setup: adding the target {TARGET} by rustup, a download of some 20 MB"));
    shell::run(Command::new("rustup").args(["target", "add", TARGET]))
}
