//! `countersign keys status`

use std::collections::BTreeSet;
use std::io::{self, Write};

use clap::Args;
use countersign_contract::record::Tier;
use serde_json::{Value, json};

use super::Failure;
use super::evidence::Tally;
use super::inventory::{Inventory, Sources};
use crate::settings::{PublishSettings, Settings};
use crate::trust::rotation::{Hold, Kid, Role, Span, Spans, Standing, Usage};

#[derive(Debug, Args)]
#[command(after_help = "Of each key it says one of
  in use                 it is needed
  safe after TIME        another key has taken over, but what this one made is still accepted
  safe now               and what this one made is over: `countersign keys remove`
  no record names it     safe only if another key has been used for longer than that
  unknown                the records say too little; what is missing is said

Example:
  countersign keys status --records edge.jsonl /var/log/countersign/*.jsonl --edge-settings settings.json")]
pub(in crate::command) struct Status {
    #[command(flatten)]
    sources: Sources,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A key with everything that is known of it.
struct Row<'a> {
    role: Role,
    kid: &'a str,
    configured: Vec<String>,
    uses: Spans,
    standing: Standing,
}

impl Status {
    pub(super) fn run(self) -> Result<(), Failure> {
        let sources = &self.sources;
        let mut inventory = Inventory::default();
        inventory.agent(&Settings::load(&sources.settings)?)?;
        if let Some(file) = &sources.publish_settings {
            inventory.publisher(file, &PublishSettings::load(file)?)?;
        }
        if let Some(file) = &sources.edge_settings {
            inventory.edge(file)?;
        }
        let (usage, tally) = sources.usage(&inventory)?;
        let out = io::stdout().lock();
        if self.json {
            print_json(out, &inventory, &usage, &tally)?;
        } else {
            print(out, &inventory, &usage, &tally)?;
        }
        Ok(())
    }
}

fn rows<'a>(inventory: &'a Inventory, usage: &'a Usage, role: Role) -> impl Iterator<Item = Row<'a>> {
    let configured = inventory.keys(role).map(|(kid, _)| kid.as_str());
    let kids: BTreeSet<&str> = configured.chain(usage.keys(role).map(|(kid, _)| kid)).collect();
    kids.into_iter().map(move |kid| Row {
        role,
        kid,
        configured: inventory.places(role, kid).iter().map(ToString::to_string).collect(),
        uses: usage.keys(role).find(|(other, _)| *other == kid).map(|(_, spans)| *spans).unwrap_or_default(),
        standing: inventory.judge(usage, role, kid),
    })
}

fn print(mut out: impl Write, inventory: &Inventory, usage: &Usage, tally: &Tally) -> io::Result<()> {
    writeln!(out, "{} records, as of {}", tally.records, usage.now().rfc3339())?;
    print_spans(&mut out, usage.records())?;
    for doubt in tally.doubts(usage) {
        writeln!(out, "  {doubt}")?;
    }
    for role in Role::ALL {
        for Row { role, kid, configured, uses, standing } in rows(inventory, usage, role) {
            writeln!(out, "{role} {}: {standing}", Kid(kid))?;
            for place in configured {
                writeln!(out, "  configured in {place}")?;
            }
            print_spans(&mut out, &uses)?;
        }
    }
    Ok(())
}

fn print_spans(out: &mut impl Write, spans: &Spans) -> io::Result<()> {
    for (tier, name) in [(Tier::Edge, "edge "), (Tier::Agent, "agent")] {
        if let Some(Span { first, last }) = spans.of(tier) {
            writeln!(out, "  {name} {} to {}", first.rfc3339(), last.rfc3339())?;
        }
    }
    Ok(())
}

fn print_json(mut out: impl Write, inventory: &Inventory, usage: &Usage, tally: &Tally) -> io::Result<()> {
    let keys: Vec<Value> = Role::ALL
        .into_iter()
        .flat_map(|role| rows(inventory, usage, role))
        .map(|row| {
            json!({
                "role": row.role.as_str(),
                "kid": row.kid,
                "configured": row.configured,
                "edge": span(row.uses.edge),
                "agent": span(row.uses.agent),
                "hold_seconds": match inventory.hold(row.role) {
                    Hold::Seconds(seconds) => Some(seconds),
                    Hold::Unknown(_) | Hold::Elsewhere => None,
                },
                "standing": row.standing.word(),
                "safe": row.standing.is_safe(),
                "safe_from": row.standing.safe_from().map(|time| time.rfc3339()),
                "why": row.standing.to_string(),
            })
        })
        .collect();
    let all = json!({
        "now": usage.now().rfc3339(),
        "records": {
            "read": tally.records,
            "no_records": tally.no_records,
            "lost": tally.lost,
            "ahead": tally.ahead,
            "keys_beyond": usage.beyond(),
            "edge": span(usage.records().edge),
            "agent": span(usage.records().agent),
        },
        "keys": keys,
    });
    writeln!(out, "{all:#}")
}

fn span(span: Option<Span>) -> Value {
    span.map_or(
        Value::Null,
        |Span { first, last }| json!({ "first": first.rfc3339(), "last": last.rfc3339() }),
    )
}
