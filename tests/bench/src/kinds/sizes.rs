//! How large a program is, as it is and as it is sent to the platform.

use std::path::Path;
use std::process::Command;

use countersign_tests::trouble::Trouble;

use crate::report::Line;

/// The size of a program; its size as `gzip` packs it, where there is `gzip`.
pub(super) fn line(program: &Path) -> Result<Line, Trouble> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let size = std::fs::metadata(program).map_err(Trouble::io(format!("read the size of `{name}`")))?.len();
    let packed = Command::new("gzip").args(["-9", "-c"]).arg(program).output().ok();
    let packed = packed.filter(|output| output.status.success()).map(|output| output.stdout.len());
    let packed = packed.map(|size| format!(", {size} by gzip -9")).unwrap_or_default();
    Ok(Line::new(format!("size of `{name}`"), format!("{size} bytes{packed}")))
}
