//! The command line as an operator uses it: the built program, real files, real signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use haproxy_wire::spop::{
    Ack, Action, AgentHello, FrameId, HaproxyHello, MaxFrameSize, NotifyWriter, Purpose, Value,
};

const POLICY: &str = "version = 1\n\n[[route]]\nname = \"all\"\nhosts = [\"www.example.test\"]\npath = \"/**\"\npool = \"web\"\n";
const SETTINGS: &str = "[spop]\nlisten = [\"unix:SOCKET\"]\n[policy]\nfile = \"policy.toml\"\n[assertion]\nkeys = \"assertion.jwks.json\"\naudience = \"eu-1\"\nenvironment = \"production\"\n[[assertion.services]]\nname = \"edge-www\"\nkeys = [\"k1\"]\nhosts = [\"www.example.test\"]\n[records]\nfile = \"records.jsonl\"\n";

/// A folder with settings, policy and keys.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("policy.toml"), POLICY).unwrap();
    std::fs::write(at("countersign.toml"), SETTINGS.replace("SOCKET", at("a.sock").to_str().unwrap()))
        .unwrap();
    let made = run(folder.path(), &["keys", "generate", "--out", ".", "--kid", "k1"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign")).args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn sign(folder: &Path, url: &str) -> String {
    let arguments = [
        "sign",
        "--key",
        "assertion.private.jwk.json",
        "--audience",
        "eu-1",
        "--environment",
        "production",
        "--service",
        "edge-www",
        "--subject",
        "alice",
        "--url",
        url,
    ];
    let signed = run(folder, &arguments);
    assert!(signed.status.success(), "{}", text(&signed.stderr));
    text(&signed.stdout).trim().to_owned()
}

#[test]
fn a_private_key_is_private_and_never_overwritten() {
    let folder = folder();
    let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("assertion.private.jwk.json"), mode("assertion.jwks.json")), (0o600, 0o644));
    let public = std::fs::read_to_string(folder.path().join("assertion.jwks.json")).unwrap();
    assert!(!public.contains("\"d\""), "{public}");
    let again = run(folder.path(), &["keys", "generate", "--out", "."]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).contains("assertion.private.jwk.json is there already"),
        "{}",
        text(&again.stderr)
    );
    // Half a pair would be in the way of the next try, and nobody would know whose half it is.
    std::fs::remove_file(folder.path().join("assertion.private.jwk.json")).unwrap();
    let half = run(folder.path(), &["keys", "generate", "--out", "."]);
    assert!(text(&half.stderr).contains("assertion.jwks.json is there already"), "{}", text(&half.stderr));
    assert!(!folder.path().join("assertion.private.jwk.json").exists());
}

#[test]
fn what_is_signed_verifies_for_its_request_and_is_explained_for_another() {
    let folder = folder();
    let header = sign(folder.path(), "http://www.example.test/a?b");
    let verify = |url: &str, header: &str| {
        run(folder.path(), &["verify", "--settings", "countersign.toml", "--url", url, header])
    };
    let accepted = verify("http://www.example.test/a?b", &header);
    assert!(accepted.status.success(), "{}", text(&accepted.stdout));
    assert_eq!(text(&accepted.stdout).matches(" ok\n").count(), 9);
    let refused = verify("http://www.example.test/a?c", &header);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stdout);
    assert!(said.contains("bound-to-another-path") && said.contains("signature    ok"), "{said}");
    let malformed = verify("http://www.example.test/", "Countersign-Assertion: nonsense");
    assert!(text(&malformed.stdout).contains("malformed-parts"), "{}", text(&malformed.stdout));
    assert_eq!(malformed.status.code(), Some(1));
}

#[test]
fn check_says_everything_that_is_wrong_where_it_is() {
    let folder = folder();
    let good = run(folder.path(), &["check", "--settings", "countersign.toml"]);
    assert!(good.status.success());
    assert!(
        text(&good.stdout).contains("all: * www.example.test/** -> pool web (private, enforce)"),
        "{}",
        text(&good.stdout)
    );
    std::fs::write(folder.path().join("policy.toml"), "version = 3\n[[route]]\nnane = \"x\"\n").unwrap();
    std::fs::write(folder.path().join("assertion.jwks.json"), "{\"keys\":[]}").unwrap();
    let bad = run(folder.path(), &["check", "--settings", "countersign.toml"]);
    assert_eq!(bad.status.code(), Some(1));
    let said = text(&bad.stderr);
    for place in [
        "policy.toml:1:11: ",
        "policy.toml:3:1: unknown key `nane`",
        "policy.toml:2:1: the route has no `pool`",
        "assertion.jwks.json: the set holds no key",
    ] {
        assert!(said.contains(place), "{place} in {said}");
    }
}

#[test]
fn check_says_who_signs_for_whom_and_what_no_service_can_be() {
    let folder = folder();
    let check = || run(folder.path(), &["check", "--settings", "countersign.toml"]);
    let said = text(&check().stdout);
    assert!(said.contains("key k1: signs for edge-www\n"), "{said}");
    let table =
        "[[assertion.services]]\nname = \"edge-www\"\nkeys = [\"k1\"]\nhosts = [\"www.example.test\"]\n";
    let settings = std::fs::read_to_string(folder.path().join("countersign.toml")).unwrap();
    for (services, expected) in [
        (String::new(), "there is none: expected a table for each edge service"),
        (table.replace("[\"k1\"]", "[]"), "service `edge-www` has no `keys`"),
        (format!("{table}{table}"), "two services are named `edge-www`"),
        (
            format!("{table}{}", table.replace("edge-www", "b.c:d")),
            "key `k1` is named by `edge-www` and by `b.c:d`",
        ),
        (table.replace("[\"k1\"]", "[\"k7\"]"), "names key `k7`, which isn't in "),
    ] {
        std::fs::write(folder.path().join("countersign.toml"), settings.replace(table, &services)).unwrap();
        let bad = check();
        assert_eq!(bad.status.code(), Some(1), "{services}");
        let said = text(&bad.stderr);
        assert!(said.contains(expected) && said.contains("countersign.toml: `assertion.services`"), "{said}");
        assert!(!services.contains("k7") || said.contains("assertion.jwks.json"), "{said}");
    }
    // Two keys, and one of them is left over.
    let made = run(folder.path(), &["keys", "generate", "--out", "next", "--kid", "k2"]);
    assert!(made.status.success());
    std::fs::write(folder.path().join("countersign.toml"), settings.replace("k1", "k2")).unwrap();
    join_keys(folder.path(), "next/assertion.jwks.json");
    let said = text(&check().stdout);
    assert!(
        said.contains("key k1: signs for nobody\n") && said.contains("key k2: signs for edge-www\n"),
        "{said}"
    );
}

/// Adds the public keys of another file to those of the agent.
fn join_keys(folder: &Path, other: &str) {
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let (mut own, other) = (read("assertion.jwks.json"), read(other));
    own["keys"].as_array_mut().unwrap().extend(other["keys"].as_array().unwrap().iter().cloned());
    std::fs::write(folder.join("assertion.jwks.json"), own.to_string()).unwrap();
}

#[test]
fn verify_says_what_an_edge_service_may_not_say() {
    let folder = folder();
    let header = sign(folder.path(), "http://shop.example.test/");
    let url = "http://shop.example.test/";
    let refused = run(folder.path(), &["verify", "--settings", "countersign.toml", "--url", url, &header]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stdout);
    assert!(said.contains("signature    ok") && said.contains("[host-not-vouched, 403]"), "{said}");
}

#[test]
fn shared_keys_are_printed_and_what_is_none_is_named_without_showing_it() {
    let folder = folder();
    let mut keys = String::new();
    for kind in ["list", "receipt", "session"] {
        let printed = text(&run(folder.path(), &["keys", kind, "--kid", "r1"]).stdout);
        assert_eq!((printed.get(..3), printed.trim_end().len()), (Some("r1:"), 3 + 43), "{printed}");
        assert!(!keys.contains(&printed), "never the same one");
        keys.push_str(&printed);
    }
    let settings = std::fs::read_to_string(folder.path().join("countersign.toml")).unwrap();
    let with = format!("{settings}\n[receipt]\nkeys = \"receipt.keys\"\n");
    std::fs::write(folder.path().join("countersign.toml"), with).unwrap();
    let check = || run(folder.path(), &["check", "--settings", "countersign.toml"]);
    let put = |keys: &str| std::fs::write(folder.path().join("receipt.keys"), keys).unwrap();
    assert!(text(&check().stderr).contains("receipt.keys: "), "a file that isn't there");
    let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for bad in ["", secret, &keys, &format!("r1:{secret} r2:short")] {
        put(bad);
        let refused = check();
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains("receipt.keys: "), "{said}");
        assert!(said.contains("countersign keys receipt") && !said.contains(secret), "{said}");
    }
    put(&format!("r1:{secret}\n"));
    assert!(check().status.success());
}

#[test]
fn a_reader_that_goes_away_is_an_error_and_no_panic() {
    let folder = folder();
    let header = sign(folder.path(), "http://www.example.test/");
    let private = "assertion.private.jwk.json";
    let commands: [&[&str]; 4] = [
        &["check", "--settings", "countersign.toml"],
        &["verify", "--settings", "countersign.toml", "--url", "http://www.example.test/", &header],
        &[
            "sign",
            "--key",
            private,
            "--audience",
            "a",
            "--environment",
            "e",
            "--service",
            "s",
            "--url",
            "http://a.test/",
        ],
        &["keys", "generate", "--out", "other"],
    ];
    for arguments in commands {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(arguments).current_dir(folder.path()).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with("countersign: "), "{}", text(&output.stderr));
    }
}

#[test]
fn compile_prints_the_items_of_the_edges_store() {
    let folder = folder();
    let compiled = run(folder.path(), &["compile", "--policy", "policy.toml"]);
    let items: serde_json::Value = serde_json::from_slice(&compiled.stdout).unwrap();
    let (parts, digest) = items["policy"].as_str().unwrap().split_once(' ').unwrap();
    let part = format!("policy.{}.0", &digest[..16]);
    assert_eq!(parts, "1");
    let printed = text(&compiled.stdout);
    assert!(printed.find(&part) < printed.find("\"policy\""), "the head comes last: {printed}");
    let policy: serde_json::Value = serde_json::from_str(items[&part].as_str().unwrap()).unwrap();
    assert_eq!(policy["routes"][0]["name"], "all");
}

#[test]
fn the_shipped_examples_are_valid() {
    let folder = folder();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
    for name in ["countersign.toml", "policy.toml"] {
        let text = std::fs::read_to_string(shipped.join(name)).unwrap();
        std::fs::write(folder.path().join(name), text.replace("edge-1", "k1")).unwrap();
    }
    let checked = run(folder.path(), &["check", "--settings", "countersign.toml"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}

/// The daemon, killed if a test ends before it does.
struct Daemon {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        let mut daemon = Self::begin(folder, Stdio::inherit());
        daemon.wait_for("ready");
        daemon
    }

    /// Starts it without waiting for it.
    fn begin(folder: &Path, stdout: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["serve", "--settings", "countersign.toml"])
            .current_dir(folder)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Its exit status, if it ends in time.
    fn ended(&mut self, within: Duration) -> Option<i32> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    fn wait_for(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the daemon ended before it said `{word}`");
            if line.contains(word) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks as HAProxy would, on a connection of its own.
fn ask(socket: &Path, target: &str, header: &str) -> Vec<(String, String)> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut out = BytesMut::new();
    let hello = HaproxyHello {
        supported_versions: b"2.0",
        max_frame_size: 16_380,
        capabilities: b"pipelining",
        purpose: Purpose::Session,
        engine_id: Some(b"test"),
    };
    hello.encode(&mut out).unwrap();
    stream.write_all(&out).unwrap();
    AgentHello::parse(&read_frame(&mut stream)).unwrap();
    let mut writer = NotifyWriter::new();
    let message = writer.message("request");
    for (name, value) in [
        ("id", Value::Str(b"79263d98-2d45-49a3-9c3d-ac4a8516755b")),
        ("method", Value::Str(b"GET")),
        ("host", Value::Str(b"www.example.test")),
        ("hosts", Value::Int64(1)),
        ("target", Value::Str(target.as_bytes())),
        ("assertions", Value::Int64(1)),
        ("assertion", Value::Str(header.trim_start_matches("Countersign-Assertion: ").as_bytes())),
    ] {
        message.arg(name, value).unwrap();
    }
    out.clear();
    writer.encode(FrameId { stream: 1, frame: 1 }, MaxFrameSize::DEFAULT, &mut out).unwrap();
    stream.write_all(&out).unwrap();
    let payload = read_frame(&mut stream);
    let ack = Ack::parse(&payload).unwrap();
    ack.actions()
        .map(|action| {
            let Action::SetVar { name, value, .. } = action else { panic!("only variables are set") };
            (text(name), value.as_str().unwrap_or_default().to_owned())
        })
        .collect()
}

fn read_frame(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut payload = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload).unwrap();
    payload
}

#[test]
fn the_daemon_answers_reloads_all_or_nothing_and_stops_cleanly() {
    let folder = folder();
    let socket = folder.path().join("a.sock");
    let mut daemon = Daemon::start(folder.path());
    let pool = |target: &str| {
        let variables =
            ask(&socket, target, &sign(folder.path(), &format!("http://www.example.test{target}")));
        variables.into_iter().find(|(name, _)| name == "pool").map(|(_, pool)| pool)
    };
    assert_eq!(pool("/a").as_deref(), Some("web"));

    std::fs::write(folder.path().join("policy.toml"), POLICY.replace("pool = ", "pol = ")).unwrap();
    daemon.signal("HUP");
    let refused = daemon.wait_for("reload refused, nothing changed");
    assert!(refused.contains("policy.toml"), "{refused}");
    assert_eq!(pool("/b").as_deref(), Some("web"));

    std::fs::write(folder.path().join("policy.toml"), POLICY.replace("web", "api")).unwrap();
    std::fs::rename(folder.path().join("records.jsonl"), folder.path().join("records.1")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("reloaded");
    assert_eq!(pool("/c").as_deref(), Some("api"));

    daemon.signal("TERM");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
    let records = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap().lines().count();
    assert_eq!((records("records.1"), records("records.jsonl")), (2, 1), "rotated records lose nothing");
}

#[test]
fn the_daemon_does_not_start_on_what_is_wrong() {
    let folder = folder();
    let settings = std::fs::read_to_string(folder.path().join("countersign.toml")).unwrap();
    std::fs::write(folder.path().join("countersign.toml"), settings.replace("audience", "audiense")).unwrap();
    let started = run(folder.path(), &["serve", "--settings", "countersign.toml"]);
    assert_eq!(started.status.code(), Some(1));
    assert!(text(&started.stderr).contains("countersign.toml") && text(&started.stderr).contains("audiense"));
}

/// Changes the settings file of a folder.
fn change_settings(folder: &Path, from: &str, to: &str) {
    let settings = std::fs::read_to_string(folder.join("countersign.toml")).unwrap();
    assert!(settings.contains(from), "{from} in {settings}");
    std::fs::write(folder.join("countersign.toml"), settings.replace(from, to)).unwrap();
}

#[test]
fn an_address_that_cannot_be_had_says_why() {
    let folder = folder();
    change_settings(folder.path(), "a.sock", "no/such/a.sock");
    let started = run(folder.path(), &["serve", "--settings", "countersign.toml"]);
    assert_eq!(started.status.code(), Some(1));
    assert!(text(&started.stderr).contains("No such file or directory"), "{}", text(&started.stderr));
}

#[test]
fn a_reload_cannot_outlast_the_log_of_used_assertions() {
    let folder = folder();
    change_settings(folder.path(), "[assertion]", "[assertion]\nmax_lifetime_seconds = 20");
    let mut daemon = Daemon::start(folder.path());
    // The log forgets after 31 seconds at the earliest, and would be asked about 61.
    change_settings(folder.path(), "max_lifetime_seconds = 20", "max_lifetime_seconds = 50");
    daemon.signal("HUP");
    let refused = daemon.wait_for("reload");
    assert!(
        refused.contains("refused, nothing changed") && refused.contains("`assertion.max_lifetime_seconds`"),
        "{refused}"
    );
    assert!(refused.contains("restart"), "{refused}");
    change_settings(folder.path(), "max_lifetime_seconds = 50", "max_lifetime_seconds = 10");
    daemon.signal("HUP");
    daemon.wait_for("reloaded");
}

#[test]
fn a_hangup_before_it_is_ready_ends_nothing() {
    let folder = folder();
    let policy = folder.path().join("policy.toml");
    std::fs::remove_file(&policy).unwrap();
    assert!(Command::new("mkfifo").arg(&policy).status().unwrap().success());
    let mut daemon = Daemon::begin(folder.path(), Stdio::inherit());
    // Opened for writing once the daemon reads it.
    let mut writer = std::fs::OpenOptions::new().write(true).open(&policy).unwrap();
    daemon.signal("HUP");
    std::thread::sleep(Duration::from_millis(100));
    std::fs::rename(&policy, folder.path().join("pipe")).unwrap();
    std::fs::write(&policy, POLICY).unwrap();
    writer.write_all(POLICY.as_bytes()).unwrap();
    drop(writer);
    daemon.wait_for("ready");
}

#[test]
fn a_reader_of_records_that_is_stuck_does_not_keep_it_from_stopping() {
    let folder = folder();
    change_settings(folder.path(), "records.jsonl", "-");
    let mut daemon = Daemon::begin(folder.path(), Stdio::piped());
    daemon.wait_for("ready");
    // Never read, and full after 64 KiB.
    let records = daemon.child.stdout.take();
    let target = format!("/{}", "a".repeat(1000));
    for _ in 0..80 {
        ask(&folder.path().join("a.sock"), &target, "");
    }
    daemon.signal("TERM");
    assert_eq!(daemon.ended(Duration::from_secs(8)), Some(0));
    drop(records);
}
