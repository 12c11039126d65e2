use std::path::Path;

use countersign::settings::PublishSettings;

const GOOD: &str = r#"
[peers]
name = "countersign"
listen = ["unix:peers.sock", "tcp:127.0.0.1:10000"]
nodes = ["hap1", "hap2"]
agents = ["hap1-a"]
[admin]
socket = "admin.sock"
[reputation]
state = "bans.json"
[[reputation.signals]]
name = "probing"
table = "cs_sensor"
value = "gpc_rate[0]"
over = 60
rungs = [{ action = "throttle", seconds = 300 }, { action = "block", seconds = 3600 }]
"#;

fn load(text: &str) -> Result<PublishSettings, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("publish.toml");
    std::fs::write(&file, text).unwrap();
    PublishSettings::load(&file).map_err(|error| error.to_string())
}

#[test]
fn defaults_fill_what_is_left_out_and_files_lie_beside_the_settings() {
    let settings = load(GOOD).unwrap();
    assert_eq!(settings.reputation.pardon_seconds, 3600);
    assert_eq!(settings.reputation.ended_seconds, 86_400);
    assert_eq!(settings.reputation.signals[0].remember_seconds, 86_400);
    assert!(settings.admin.socket.is_absolute() && settings.admin.socket.ends_with("admin.sock"));
    assert!(settings.peers.listen[0].to_string().ends_with("/peers.sock"));
    assert_ne!(settings.peers.listen[0].to_string(), "unix:peers.sock");
}

#[test]
fn the_shipped_settings_are_good() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/publish.toml");
    let settings = PublishSettings::load(&file).unwrap();
    assert!(!settings.reputation.signals.is_empty());
}

#[test]
fn faults_name_the_file_the_key_and_what_was_expected() {
    for (from, to, named) in [
        ("over = 60", "over = 60\nabove = 1", "above"),
        ("gpc_rate[0]", "gpc_rate", "`gpc_rate` is not a value"),
        ("gpc_rate[0]", "http_requests", "`http_requests` is not a value"),
        ("gpc_rate[0]", "server_key", "expected a counter or rate"),
        ("action = \"throttle\"", "action = \"ban\"", "throttle"),
        ("seconds = 300", "seconds = 0", "expected 1 to"),
        ("seconds = 3600", "seconds = 99999999", "expected 1 to"),
        ("{ action = \"throttle\", seconds = 300 }, ", "", "blocks an address at its first offence"),
        (
            "\"throttle\", seconds = 300 }",
            "\"block\", seconds = 300 }",
            "blocks an address at its first offence",
        ),
        ("action = \"block\"", "action = \"observe\"", "milder than the one before"),
        ("rungs = [", "rungs = [] # [", "has no `rungs`"),
        ("[\"hap1-a\"]", "[\"hap1\"]", "a name of its own for each peer"),
        ("\"hap2\"]", "\"hap 2\"]", "`hap 2`"),
        ("[\"hap1\", \"hap2\"]", "[]", "at least one HAProxy"),
        ("unix:peers.sock", "peers.sock", "`peers.sock`"),
        ("state = \"bans.json\"", "", "state"),
        (
            "state = \"bans.json\"",
            "state = \"bans.json\"\nended_seconds = 0",
            "`reputation.ended_seconds` is 0",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let message = load(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(message.contains(named) && message.contains("publish.toml"), "{to}: {message}");
    }
    let (_, signal) = GOOD.split_once("[[reputation.signals]]").unwrap();
    let twice = format!("{GOOD}[[reputation.signals]]{signal}");
    assert!(load(&twice).unwrap_err().contains("two signals are named `probing`"));
}
