//! The browser that log-in is tested with.

use std::path::Path;

use super::haproxy::install;
use crate::fault::Fault;
use crate::shell;

/// Where Debian puts it; the harness looks there, too.
const PROGRAM: &str = "/usr/bin/chromium";

/// Installs Debian's Chromium unless one is there.
pub(super) fn bring() -> Result<(), Fault> {
    if Path::new(PROGRAM).exists() {
        return Ok(());
    }
    shell::say("setup: installing Chromium by apt-get, a download of some 100 MB");
    install("chromium")
}
