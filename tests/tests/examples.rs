//! Every example of `haproxy/examples` is accepted as it lies there, and its page names its files.

#![allow(clippy::unwrap_used, reason = "a file of the repository that is missing fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use countersign_tests::example::ExampleFiles;
use countersign_tests::pieces::{self, HaproxyCommand, Subject};

fn examples() -> Vec<(String, ExampleFiles)> {
    let names = ExampleFiles::names().unwrap();
    names.into_iter().map(|name| (name.clone(), ExampleFiles::open(&name).unwrap())).collect()
}

fn run(mut command: Command) -> Output {
    let ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("COUNTERSIGN_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

#[test]
fn haproxy_takes_every_example_beside_the_shipped_file_without_a_warning() {
    let haproxy = HaproxyCommand::find(Subject::from_environment().unwrap()).unwrap();
    let shipped = pieces::repository().join("haproxy/haproxy.cfg");
    let beside =
        examples().into_iter().filter_map(|(_, files)| Some(vec![shipped.clone(), files.configuration()?]));
    let applications = vec![pieces::example("applications.cfg").unwrap()];
    for files in beside.chain([applications]) {
        let mut command = haproxy.command();
        command.args(["-c", "-dW"]);
        for file in &files {
            command.arg("-f").arg(file);
        }
        let output = run(command);
        assert!(output.status.success(), "{files:?}: {}", said(&output));
    }
}

#[test]
fn the_agent_takes_every_policy_and_all_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = Command::new(pieces::agent().unwrap());
    keys.args(["keys", "generate", "--kid", "edge-1", "--out"]).arg(folder.path());
    assert!(run(keys).status.success());
    let mut receipts = Command::new(pieces::agent().unwrap());
    receipts.args(["keys", "receipt", "--kid", "r1"]);
    fs::write(folder.path().join("receipt.keys"), run(receipts).stdout).unwrap();
    for (name, files) in examples() {
        copy(&files.folder().join("policy.toml"), &folder.path().join("policy.toml"));
        let mut settings = vec![pieces::shipped_agent_settings().unwrap()];
        let all = fs::read_dir(files.folder()).unwrap().map(|entry| entry.unwrap().path());
        settings.extend(all.filter(|path| file_name(path).starts_with("countersign.")));
        for file in settings {
            let here = folder.path().join(file_name(&file));
            copy(&file, &here);
            let mut check = Command::new(pieces::agent().unwrap());
            check.arg("check").arg("--settings").arg(&here);
            let output = run(check);
            assert!(output.status.success(), "{name}, {}: {}", file.display(), said(&output));
        }
    }
}

#[test]
fn the_page_of_an_example_names_each_of_its_files() {
    let table = fs::read_to_string(pieces::example("README.md").unwrap()).unwrap();
    for (name, files) in examples() {
        assert!(table.contains(&format!("({name}/README.md)")), "{name} is not in the table of examples");
        let page = files.read("README.md").unwrap();
        for entry in fs::read_dir(files.folder()).unwrap() {
            let file = file_name(&entry.unwrap().path());
            let named = file == "README.md" || page.contains(&format!("`{file}`"));
            assert!(named, "{name}/README.md doesn't name `{file}`");
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
