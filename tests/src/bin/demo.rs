//! Plays every scene on the whole stage and prints one table; `cargo xtask demo` starts it.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use countersign_tests::forge::{ADMIN, ENGINEER};
use countersign_tests::pieces::{self, Subject};
use countersign_tests::runner::Runner;
use countersign_tests::scene::{Row, Scene};
use countersign_tests::scenes;
use countersign_tests::trouble::Trouble;
use countersign_tests::world::{AUDIENCE, ENVIRONMENT, Front, HOST, SERVICE, World};

/// Plays the scenes and prints what came of each.
#[derive(Debug, Parser)]
#[command(name = "countersign-demo")]
struct Arguments {
    /// Leave the stage running afterwards, and print what to try with curl
    #[arg(long)]
    keep: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    /// The HAProxy to play on: 2.6, 3.0 or 3.2 (default: the system's)
    #[arg(long)]
    haproxy: Option<String>,
}

/// How the demo ended, as an exit code: 128 + SIGINT after Ctrl-C, as shells say it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async {
            // Dropping what plays is what ends every process, so a signal only has to end the race.
            tokio::select! {
                code = demo(&arguments) => code,
                () = interrupted() => ExitCode::from(INTERRUPTED),
            }
        }),
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await.unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

async fn demo(arguments: &Arguments) -> ExitCode {
    let subject = match arguments.haproxy.as_deref().unwrap_or_default().parse::<Subject>() {
        Ok(subject) => subject,
        Err(trouble) => return give_up(&trouble.to_string()),
    };
    let scenes = scenes::all();
    let runner = Runner::new(subject, Front::Edge);
    let world = match runner.common().await {
        Ok(world) => world,
        Err(why) => return give_up(why),
    };
    let table = Table::for_scenes(&scenes);
    if !arguments.json {
        table.print_head(&world.haproxy().await.version());
    }
    let mut rows = Vec::new();
    for scene in &scenes {
        let row = runner.play(scene).await;
        if !arguments.json {
            table.print_row(&row);
        }
        rows.push(row);
    }
    let differed = rows.iter().filter(|row| !row.went_as_stated()).count();
    if arguments.json {
        print(&serde_json::to_string_pretty(&rows).unwrap_or_default());
    } else {
        print(&format!("\n{} scenes, {} as stated, {differed} not", rows.len(), rows.len() - differed));
    }
    if arguments.keep {
        match what_to_try(world).await {
            Ok(text) => complain(&text),
            Err(trouble) => complain(&trouble.to_string()),
        }
        std::future::pending::<()>().await;
    }
    if differed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Columns, wide enough for every scene's name and for the longest reason.
struct Table {
    scene: usize,
}

impl Table {
    fn for_scenes(scenes: &[Scene]) -> Self {
        Self { scene: scenes.iter().map(|scene| scene.name.chars().count()).max().unwrap_or_default() }
    }

    fn print_head(&self, haproxy: &str) {
        print(&format!("Countersign on HAProxy {haproxy} and Viceroy {}\n", pieces::VICEROY_VERSION));
        self.print_cells(["scene", "status", "pool", "verdict", "reason", "decision id", "ms", ""]);
    }

    fn print_row(&self, row: &Row) {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        self.print_cells([
            &row.scene,
            &row.status.map_or_else(|| "-".into(), |status| status.to_string()),
            &text(&row.pool),
            &text(&row.verdict),
            &text(&row.reason),
            &text(&row.decision_id),
            &row.milliseconds.map_or_else(|| "-".into(), |milliseconds| format!("{milliseconds:.1}")),
            if row.went_as_stated() { "" } else { "DIFFERED" },
        ]);
        for line in row.notes.iter().chain(&row.differed) {
            print(&format!("    {line}"));
        }
    }

    fn print_cells(&self, [scene, status, pool, verdict, reason, decision, milliseconds, mark]: [&str; 8]) {
        let line = format!(
            "{scene:width$}  {status:>6}  {pool:5}  {verdict:7}  {reason:26}  {decision:34}  {milliseconds:>7}  {mark}",
            width = self.scene,
        );
        print(line.trim_end());
    }
}

async fn what_to_try(world: &World) -> Result<String, Trouble> {
    let edge = world.viceroy()?.address();
    let haproxy = world.node().address();
    let key = world.keys().join("assertion.private.jwk.json");
    let agent = pieces::agent()?;
    let settings = match world.agents().first() {
        Some(agent) => agent.lock().await.daemon.settings().display().to_string(),
        None => String::new(),
    };
    let sign = format!(
        "{} sign --key {} --audience {AUDIENCE} --environment {ENVIRONMENT} --service {SERVICE}",
        agent.display(),
        key.display(),
    );
    Ok(format!(
        r#"
The stage is running; Ctrl-C ends it and leaves nothing behind.

# somebody in `engineering`, and somebody in `admins`: tokens of the stand-in for an identity provider
ANN={ann}
ROOT={root}

# through the edge
curl -i -H "Host: {HOST}" -H "Authorization: Bearer $ANN" http://{edge}/api/hello
curl -i -H "Host: {HOST}" -H "Authorization: Bearer $ANN" http://{edge}/admin/hello
curl -i -H "Host: {HOST}" -H "Authorization: Bearer $ROOT" http://{edge}/admin/hello
curl -i -H "Host: {HOST}" http://{edge}/static/hello

# straight to HAProxy: nothing passes without an assertion made for this very request
curl -i -H "Host: {HOST}" http://{haproxy}/api/hello
{sign} --method GET --url http://{HOST}/api/hello --subject ann --groups engineering
curl -i -H "Host: {HOST}" -H "$({sign} --method GET --url http://{HOST}/api/hello --subject ann --groups engineering)" http://{haproxy}/api/hello

# why a header is refused
{agent} verify --settings {settings} --method GET --url http://{HOST}/api/other "$({sign} --method GET --url http://{HOST}/api/hello --subject ann --groups engineering)"

# files, sockets and keys of this stage
ls {folder}
"#,
        ann = world.token(ENGINEER)?,
        root = world.token(ADMIN)?,
        agent = agent.display(),
        folder = world.folder().display(),
    ))
}

fn give_up(why: &str) -> ExitCode {
    complain(why);
    ExitCode::FAILURE
}

fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
