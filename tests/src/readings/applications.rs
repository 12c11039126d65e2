//! The real applications: nginx, Node.js, and PHP by FastCGI behind nginx.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::pieces;
use crate::ports;
use crate::process::{Journals, Process};
use crate::reaper::Reaper;
use crate::trouble::Trouble;

use super::reading::Reader;

/// Longest wait for one to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The three, running. Dropping it ends them.
#[derive(Debug)]
pub struct Applications {
    addresses: [(Reader, SocketAddr); 3],
    _processes: Vec<Process>,
}

impl Applications {
    /// Starts them with all their files in `folder`, and waits until they listen.
    ///
    /// # Errors
    /// [`Trouble::Missing`] without one of them, [`Trouble::NotReady`] with what it printed.
    pub async fn start(folder: &Path, reaper: &Arc<Reaper>) -> Result<Self, Trouble> {
        let folder = folder.join("applications");
        let source = pieces::tests_folder("applications")?;
        fs::create_dir_all(&folder).map_err(Trouble::io("make the applications' folder"))?;
        for name in ["index.php", "server.mjs"] {
            fs::copy(source.join(name), folder.join(name)).map_err(Trouble::io(format!("copy `{name}`")))?;
        }
        let [nginx, node, php] = [ports::free()?, ports::free()?, ports::free()?];
        let configuration = fs::read_to_string(source.join("nginx.conf"))
            .map_err(Trouble::io("read `nginx.conf`"))?
            .replace("FOLDER", &folder.display().to_string())
            .replace("NGINX;", &format!("{nginx};"))
            .replace("PHP;", &format!("{php};"));
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration).map_err(Trouble::io("write `nginx.conf`"))?;

        let mut fastcgi = Command::new(pieces::php()?);
        // It ends after 500 requests by itself, if not told otherwise.
        fastcgi.arg("-b").arg(folder.join("php.sock")).env("PHP_FCGI_MAX_REQUESTS", "0");
        fastcgi.args(["-d", "cgi.fix_pathinfo=0", "-d", "expose_php=0"]);
        let mut web = Command::new(pieces::nginx()?);
        web.args(["-e", "stderr", "-p"]).arg(&folder).arg("-c").arg(&file);
        let mut server = Command::new(pieces::node()?);
        server.arg(folder.join("server.mjs")).arg(node.port().to_string()).env_remove("NODE_OPTIONS");

        let journals = Journals::fresh();
        let processes = vec![
            Process::start("PHP", &mut fastcgi, &journals, reaper)?,
            Process::start("nginx", &mut web, &journals, reaper)?,
            Process::start("Node.js", &mut server, &journals, reaper)?,
        ];
        for address in [nginx, node, php] {
            wait_for(address, &journals).await?;
        }
        wait_for_socket(&folder.join("php.sock"), &journals).await?;
        let addresses = [(Reader::Nginx, nginx), (Reader::Node, node), (Reader::Php, php)];
        Ok(Self { addresses, _processes: processes })
    }

    /// Where each listens.
    #[must_use]
    pub fn addresses(&self) -> [(Reader, SocketAddr); 3] {
        self.addresses
    }
}

async fn wait_for(address: SocketAddr, journals: &Journals) -> Result<(), Trouble> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(not_ready(journals))
}

async fn wait_for_socket(path: &Path, journals: &Journals) -> Result<(), Trouble> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(not_ready(journals))
}

fn not_ready(journals: &Journals) -> Trouble {
    Trouble::NotReady { what: "an application".into(), waited: PATIENCE, said: journals.tail() }
}
