//! The last one out: ends what is left and removes the folder, however this process ends.
//!
//! `Drop` covers a test that fails or panics, but not a SIGKILL, an abort or a `static`. So each
//! stage starts one small shell that waits on a pipe. When the pipe closes, which the kernel sees
//! to even if this process was killed, it ends the process groups it was told of.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::trouble::Trouble;

const SCRIPT: &str = r#"
trap '' INT TERM HUP
groups=' '
while read -r verb group; do
  case $verb in
    watch) groups="$groups$group " ;;
    forget) case $groups in *" $group "*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
rm -rf -- "$1"
"#;

/// Holds the pipe. Dropping it makes the shell end everything still watched, and waits for that.
#[derive(Debug)]
pub struct Reaper {
    shell: Mutex<Child>,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Reaper {
    /// A new folder for a stage, and the one that removes it at the end.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no folder can be made, or there is no `sh`.
    pub fn of_new_folder() -> Result<(TempDir, Arc<Self>), Trouble> {
        let folder = tempfile::Builder::new()
            .prefix("countersign-")
            .tempdir()
            .map_err(Trouble::io("make a folder for the stage"))?;
        let reaper = Self::start(folder.path())?;
        Ok((folder, reaper))
    }

    /// Starts the shell; `folder` is what it removes at the end.
    ///
    /// # Errors
    /// [`Trouble::Io`] when there is no `sh`.
    pub fn start(folder: &Path) -> Result<Arc<Self>, Trouble> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "countersign-reaper"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal goes to the foreground group: it must outlive that.
            .process_group(0)
            .spawn()
            .map_err(Trouble::io("start `sh`, which cleans up after the stage"))?;
        let pipe = shell.stdin.take();
        Ok(Arc::new(Self { shell: Mutex::new(shell), pipe: Mutex::new(pipe) }))
    }

    /// From now on this process group is ended when the pipe closes.
    pub fn watch(&self, group: u32) {
        self.tell("watch", group);
    }

    /// The group has ended: its number may be given to a stranger, so it must not be killed.
    pub fn forget(&self, group: u32) {
        self.tell("forget", group);
    }

    /// Closes the pipe, as the kernel does when this process is killed.
    pub fn close(&self) {
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn tell(&self, verb: &str, group: u32) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = pipe.as_mut() {
            // A reaper that is gone cannot be told; `Drop` of the processes still does the work.
            let _ = writeln!(pipe, "{verb} {group}").and_then(|()| pipe.flush());
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.close();
        let _ = self.shell.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}
