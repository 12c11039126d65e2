//! Allows everything: sets `txn.<prefix>.verdict` to `allow` for every NOTIFY.
//!
//! `cargo run --example constant_agent --features server -- unix:/tmp/agent.sock tcp:127.0.0.1:9301`

use haproxy_wire::spop::server::{Address, Agent, Answer, Limits, Readiness, Server};
use haproxy_wire::spop::{Actions, Notify, Scope, Value};
use std::error::Error;
use std::sync::Arc;

struct Constant;

impl Agent for Constant {
    fn notify(&self, _: &Notify<'_>, actions: &mut Actions) -> Answer {
        // Without the variable HAProxy's rules refuse, so an action that does not fit needs no more care.
        let _fits = actions.set_var(Scope::Transaction, "verdict", Value::text("allow"));
        Answer::Ready
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let addresses = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<Vec<Address>, _>>()?;
    let server = Server::bind(&addresses, Arc::new(Constant), Limits::default(), Readiness::ready()).await?;
    eprintln!("ready on {} addresses", server.addresses().len());
    let drained = server
        .run(async {
            // Without signals there is no end but the process's.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await;
    eprintln!("drained, {} connections cut", drained.cut);
    Ok(())
}
