//! Running commands where everybody can see which.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::fault::Fault;

/// Prints one line to the terminal, beside whatever a command prints to standard output.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Shows the command line, runs it with its output visible, and expects success.
pub(crate) fn run(command: &mut Command) -> Result<(), Fault> {
    let line = line(command);
    say(&format!("+ {line}"));
    let status = command.status().map_err(|source| Fault::NotStarted { command: line.clone(), source })?;
    if status.success() { Ok(()) } else { Err(Fault::Command { command: line, status: status.to_string() }) }
}

/// What a command prints to standard output; `None` when it is not there or fails.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// How this user may run something as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Is root.
    Root,
    /// May use sudo without being asked for a password.
    Sudo,
    /// Neither.
    None,
}

impl Rights {
    /// What this user may do.
    pub(crate) fn of_this_user() -> Self {
        if output("id", &["-u"]).is_some_and(|id| id.trim() == "0") {
            return Self::Root;
        }
        // `-n`: asking for a password in the middle of an installation is a surprise.
        if output("sudo", &["-n", "true"]).is_some() { Self::Sudo } else { Self::None }
    }

    /// A command as root; `None` when this user may not.
    pub(crate) fn command(self, program: &str) -> Option<Command> {
        match self {
            Self::Root => Some(Command::new(program)),
            Self::Sudo => {
                let mut command = Command::new("sudo");
                command.args(["-n", program]);
                Some(command)
            }
            Self::None => None,
        }
    }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
