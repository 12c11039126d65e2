//! The publisher as an operator runs it: bans by hand, its state file, its sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

struct Stage {
    folder: tempfile::TempDir,
}

/// Killed when it is dropped.
struct Publisher(Child);

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Stage {
    fn new() -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        let settings = r#"
            [peers]
            name = "countersign"
            listen = ["unix:peers.sock"]
            nodes = ["hap1"]
            [admin]
            socket = "admin.sock"
            [reputation]
            state = "bans.json"
        "#;
        std::fs::write(stage.path("publish.toml"), settings).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts and waits until it is ready; gives what it said where it ended instead.
    fn try_start(&self) -> Result<Publisher, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["publish", "--settings"]).arg(self.path("publish.toml")).stderr(Stdio::piped());
        let mut publisher = Publisher(command.spawn().unwrap());
        let mut lines = BufReader::new(publisher.0.stderr.take().unwrap());
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap() == 0 {
                assert!(!publisher.0.wait().unwrap().success());
                return Err(said);
            }
            said.push_str(&line);
            if line.contains("ready") {
                // Or it would meet a closed pipe.
                std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
                return Ok(publisher);
            }
        }
    }

    fn start(&self) -> Publisher {
        self.try_start().unwrap_or_else(|said| panic!("{said}"))
    }

    /// Exit status, standard output, standard error.
    fn run(&self, words: &[&str]) -> (bool, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(words)
            .arg("--socket")
            .arg(self.path("admin.sock"))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    fn done(&self, words: &[&str]) -> String {
        let (success, out, error) = self.run(words);
        assert!(success, "{words:?}: {error}");
        out
    }
}

#[test]
fn bans_are_added_listed_explained_and_lifted() {
    let stage = Stage::new();
    let _publisher = stage.start();
    assert_eq!(stage.done(&["bans", "list"]), "nobody is banned\n");
    stage.done(&[
        "bans",
        "add",
        "192.0.2.7",
        "--action",
        "block",
        "--seconds",
        "600",
        "--reason",
        "see ticket 12",
    ]);
    stage.done(&["bans", "add", "2001:db8::9", "--action", "throttle"]);
    stage.done(&["bans", "add", "subject:ann", "--action", "observe"]);
    let list = stage.done(&["bans", "list"]);
    for part in
        ["192.0.2.7 ", "block", "see ticket 12", "2001:db8::/64", "throttle", "subject:ann", "observe"]
    {
        assert!(list.contains(part), "{part}: {list}");
    }
    let explained = stage.done(&["bans", "explain", "::ffff:192.0.2.7"]);
    assert!(
        explained.contains("192.0.2.7: `block` since") && explained.contains("by hand: see ticket 12"),
        "{explained}"
    );
    assert!(stage.done(&["bans", "remove", "192.0.2.7"]).contains("`block` lifted"));
    let explained = stage.done(&["bans", "explain", "192.0.2.7"]);
    assert!(explained.contains("lifted by hand; no signal acts on it until"), "{explained}");
    assert!(stage.done(&["bans", "explain", "192.0.2.8"]).contains("192.0.2.8 is not listed"));
    let (success, _, error) = stage.run(&["bans", "remove", "192.0.2.7"]);
    assert!(!success && error.contains("192.0.2.7 is not banned"), "{error}");
}

#[test]
fn bans_and_pardons_outlive_a_kill() {
    let stage = Stage::new();
    let publisher = stage.start();
    stage.done(&["bans", "add", "192.0.2.7"]);
    stage.done(&["bans", "add", "192.0.2.8"]);
    stage.done(&["bans", "remove", "192.0.2.8"]);
    let before = stage.done(&["bans", "export"]);
    drop(publisher);
    // As a kill in the middle of a write leaves it.
    let mut file = std::fs::OpenOptions::new().append(true).open(stage.path("bans.json")).unwrap();
    file.write_all(b"{\"client\":\"192.0.2.9\",\"ban").unwrap();
    let _publisher = stage.start();
    assert_eq!(stage.done(&["bans", "export"]), before);
    assert!(stage.done(&["bans", "explain", "192.0.2.8"]).contains("lifted by hand"));
}

#[test]
fn an_export_is_an_import_and_a_mistake_bans_nobody() {
    let (one, other) = (Stage::new(), Stage::new());
    let (_first, _second) = (one.start(), other.start());
    one.done(&["bans", "add", "192.0.2.7", "--action", "throttle", "--reason", "a"]);
    one.done(&["bans", "add", "subject:ann", "--reason", "b"]);
    std::fs::write(other.path("list"), one.done(&["bans", "export"])).unwrap();
    let file = other.path("list").display().to_string();
    assert!(other.done(&["bans", "import", &file]).starts_with("2 banned"));
    let without_since = |text: String| -> Vec<String> {
        let parts = |line: &str| {
            let ban: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {} {} {}", ban["client"], ban["action"], ban["until"], ban["cause"])
        };
        text.lines().map(parts).collect()
    };
    assert_eq!(without_since(other.done(&["bans", "export"])), without_since(one.done(&["bans", "export"])));

    std::fs::write(other.path("list"), "# from another tool\n198.51.100.1\n2001:db8:5::1\n198.51.100.0/24\n")
        .unwrap();
    let (success, _, error) = other.run(&["bans", "import", &file]);
    assert!(!success && error.contains("list:4: `198.51.100.0/24` is not one client"), "{error}");
    assert!(!other.done(&["bans", "list"]).contains("198.51.100.1"));
    std::fs::write(other.path("list"), "198.51.100.1\n2001:db8:5::1\n").unwrap();
    other.done(&["bans", "import", &file, "--action", "require-identity", "--seconds", "60"]);
    assert!(other.done(&["bans", "list"]).contains("2001:db8:5::/64"));
}

#[test]
fn what_it_cannot_use_it_names() {
    let stage = Stage::new();
    std::fs::write(stage.path("bans.json"), "{\"client\":\"192.0.2.7\"}\n").unwrap();
    let said = stage.try_start().err().unwrap();
    assert!(said.contains("bans.json:1:") && said.contains("move the file away"), "{said}");
    std::fs::remove_file(stage.path("bans.json")).unwrap();

    let settings = std::fs::read_to_string(stage.path("publish.toml")).unwrap();
    let plain = settings.replace("unix:peers.sock", "tcp:0.0.0.0:0");
    std::fs::write(stage.path("publish.toml"), plain).unwrap();
    let said = stage.try_start().err().unwrap();
    assert!(said.contains("loopback") && said.contains("tls:"), "{said}");
    std::fs::write(stage.path("publish.toml"), settings).unwrap();

    let publisher = stage.start();
    let said = stage.try_start().err().unwrap();
    assert!(said.contains("bans.json is in use"), "{said}");
    drop(publisher);
    let (success, _, error) = stage.run(&["bans", "list"]);
    assert!(!success && error.contains("expected the admin socket of a running"), "{error}");
}

#[test]
fn the_admin_socket_is_for_one_user_and_meets_garbage_with_an_answer() {
    let stage = Stage::new();
    let _publisher = stage.start();
    let mode = std::fs::metadata(stage.path("admin.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let huge = [b"{\"command\":\"".as_slice(), &vec![b'x'; 200_000], b"\"}\n"].concat();
    for garbage in [b"bans\n".as_slice(), b"\xff\xfe\n", b"{\"command\":\"bans-list\",\"x\":1}\n", &huge] {
        let mut stream = UnixStream::connect(stage.path("admin.sock")).unwrap();
        // It may close before it has read all of what is far too long.
        let _sent = stream.write_all(garbage);
        let mut answer = String::new();
        let _read = stream.read_to_string(&mut answer);
        assert!(answer.contains("failed") || garbage.len() > 100_000, "{answer}");
    }
    assert_eq!(stage.done(&["bans", "list"]), "nobody is banned\n");
}

#[test]
fn a_ban_beyond_what_haproxy_can_hold_is_refused() {
    let stage = Stage::new();
    let (success, _, error) = stage.run(&["bans", "add", "192.0.2.7", "--seconds", "99999999"]);
    assert!(!success && error.contains("2073600"), "{error}");
    for wrong in ["192.0.2.0/24", "ann", "subject:"] {
        let (success, _, error) = stage.run(&["bans", "add", wrong]);
        assert!(!success && error.contains("expected"), "{wrong}: {error}");
    }
}
