//! `countersign check`

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use countersign_contract::name::ServiceName;
use countersign_contract::route::Route;

use super::Failure;
use crate::serve::load;
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "/etc/countersign/countersign.toml")]
    settings: PathBuf,
    /// Check this policy in place of the one that the settings name
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut settings = Settings::load(&self.settings)?;
        if let Some(policy) = self.policy {
            settings.policy.file = policy;
        }
        let snapshot = match load(&settings) {
            Ok(snapshot) => snapshot,
            Err(errors) => {
                for error in errors {
                    eprintln!("{error}");
                }
                return Err(Failure::Said);
            }
        };
        // It has to fit into the edge's store as well.
        snapshot.policy.for_edge().to_items()?;
        let routes = snapshot.policy.routes().routes();
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{}: {} routes, digest {}",
            settings.policy.file.display(),
            routes.len(),
            snapshot.policy.digest()
        )?;
        for key in snapshot.keys.ids() {
            let service = snapshot.services.of_key(key).map_or("nobody", ServiceName::as_str);
            writeln!(out, "key {key}: signs for {service}")?;
        }
        for route in routes {
            writeln!(out, "  {}", summary(route))?;
        }
        Ok(())
    }
}

fn summary(route: &Route) -> String {
    let hosts: Vec<_> = route.hosts.iter().map(ToString::to_string).collect();
    let methods: Vec<_> = route.methods.iter().map(ToString::to_string).collect();
    let methods = if methods.is_empty() { "*".to_owned() } else { methods.join(",") };
    let asks = route.permission.as_ref().map_or_else(String::new, |permission| format!(" asks {permission}"));
    format!(
        "{}: {methods} {}{} -> pool {} ({}, {}{asks})",
        route.name,
        hosts.join(","),
        route.path,
        route.pool,
        route.class.as_str(),
        route.mode.as_str(),
    )
}
