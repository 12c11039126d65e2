//! The same answer by an agent on `haproxy-wire` and its server.

use std::io;
use std::path::Path;
use std::sync::Arc;

use haproxy_wire::spop::server::{Address, Agent, Answer, BindError, Limits, Readiness, Server};
use haproxy_wire::spop::{Actions, Notify, Scope, Value};

/// Why it can't serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// No runtime.
    #[error("the runtime can't be started: {0}")]
    Runtime(#[from] io::Error),
    /// The socket can't be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
}

struct Constant;

impl Agent for Constant {
    fn notify(&self, _: &Notify<'_>, actions: &mut Actions) -> Answer {
        let _ = actions.set_var(Scope::Transaction, "verdict", Value::text("allow"));
        Answer::Ready
    }
}

/// Answers until the process is ended, on the runtime that `countersign serve` has.
pub(crate) fn serve(socket: &Path) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = [Address::Unix(socket.to_owned())];
        let server =
            Server::bind(&address, Arc::new(Constant), Limits::default(), Readiness::ready()).await?;
        eprintln!("ready");
        server.run(std::future::pending()).await;
        Ok(())
    })
}
