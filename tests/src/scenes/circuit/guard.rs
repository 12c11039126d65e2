//! The worst outage is the one that we would make: what the guard holds, and whom it spares.

use std::time::Instant;

use crate::circuit::{Circuit, CircuitRules};
use crate::cluster::{Client, Fate};
use crate::publisher::{Guard, Rules, Signal};
use crate::scene::{Row, Scene};
use crate::scenes::circuit::{BYSTANDER, OVER, PROBING, RULES, Result, SETTLED};
use crate::scenes::reason::LISTED_THROTTLE;
use crate::trouble::Trouble;

/// Answers of 500 that are one too many.
const FAILING: u32 = 4;

const FAILING_RULES: CircuitRules = CircuitRules {
    bans: Rules {
        signals: &[Signal { name: "failing", value: "gpc_rate[2]", over: FAILING - 1, ..PROBING }],
        guard: Guard { reserved: "as-others", from_clients: 5, ..Guard::USUAL },
        ..RULES.bans
    },
    ..RULES
};

/// All who ask while the application fails.
const EVERYBODY: [Client; 8] = [
    Client::at("127.0.0.101"),
    Client::at("127.0.0.102"),
    Client::at("127.0.0.103"),
    Client::at("127.0.0.104"),
    Client::at("127.0.0.105"),
    Client::at("127.0.0.106"),
    Client::at("127.0.0.107"),
    Client::at("127.0.0.108"),
];

const SPARING: CircuitRules = CircuitRules {
    bans: Rules {
        guard: Guard { never: &["192.0.2.0/24", "2001:db8:7::/48"], ..Guard::USUAL },
        ..RULES.bans
    },
    ..RULES
};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::on_circuit("an application that fails for everybody", FAILING_RULES, |circuit| {
            Box::pin(held(circuit))
        }),
        Scene::on_circuit("clients that are never banned", SPARING, |circuit| Box::pin(spared(circuit))),
    ]
}

async fn held(circuit: &Circuit) -> Result {
    let mut drawn = 0;
    // As a failing application does it: everybody in turn.
    for _ in 0..FAILING {
        for client in EVERYBODY {
            drawn += circuit.draw(client, 500, 1).await?;
        }
    }
    tokio::time::sleep(SETTLED).await;
    let mut meanwhile = Vec::new();
    for client in EVERYBODY {
        let through_edge = circuit.send(client).await?.answer.status;
        let [hap1, hap2] = circuit.cluster().statuses(client).await?;
        meanwhile.extend([through_edge, hap1, hap2]);
    }
    let listed = circuit.listed()?.len();
    let status = circuit.command(&["peers", "status"]).await?;
    let list = circuit.command(&["bans", "list"]).await?;
    let approved = Instant::now();
    let said = circuit.command(&["bans", "approve"]).await?;
    let mut times = Vec::new();
    for client in EVERYBODY {
        times.push(circuit.until(client, Fate::Refused, approved).await?.edge);
    }
    let status_after = circuit.command(&["peers", "status"]).await?;
    let [first, ..] = EVERYBODY;
    let seen = circuit.send(first).await?;
    let held = |status: &str| status.lines().any(|line| line.starts_with("HELD: "));
    let wait = format!("HELD: {} clients wait for `countersign bans approve`", EVERYBODY.len());
    Ok(Row::of(&seen)
        .refused(429, LISTED_THROTTLE)
        .is("answers of 500", FAILING as usize * EVERYBODY.len(), drawn as usize)
        .is("statuses of everybody while it is held", vec![200; 3 * EVERYBODY.len()], meanwhile)
        .is("clients in the store while it is held", 0, listed)
        .holds(format!("`peers status` says `{wait}`"), status.contains(&wait))
        .holds("`bans list` has nobody", list.contains("nobody is banned"))
        .holds("`bans approve` says how many it let through", said.starts_with("8 clients banned"))
        .holds("`peers status` says nothing of it any more", !held(&status_after))
        .is("status of who did not ask meanwhile", 200, circuit.send(BYSTANDER).await?.answer.status)
        .note(format!(
            "the edge has the last of them {:.0} ms after the approval",
            times.iter().max().map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        )))
}

async fn spared(circuit: &Circuit) -> Result {
    let spared = [
        (Client::at("192.0.2.50"), "it is in a range of `guard.never`"),
        (Client::at("2001:db8:7:1::9"), "it is in a range of `guard.never`"),
        (Client::at("151.101.1.57"), "it has an address of Fastly"),
        (Client::at("2a04:4e42::9"), "it has an address of Fastly"),
        (Client::at("127.0.0.70"), "it has an address that no client on the internet has"),
    ];
    let offender = Client::at("198.51.100.7");
    let cluster = circuit.cluster();
    for (client, _) in spared {
        cluster.draw(circuit.node(), client, 404, OVER + 1).await?;
    }
    cluster.draw(circuit.node(), offender, 404, OVER + 1).await?;
    // After it nothing of what came before is still on its way.
    cluster.until(offender, Fate::Refused, Instant::now()).await?;
    tokio::time::sleep(SETTLED).await;
    let [seen, _] = cluster.try_everywhere(offender).await?;
    let mut row = Row::of(&seen).refused(429, LISTED_THROTTLE).is("clients in the store", 1, {
        circuit.until_right(Instant::now()).await?;
        circuit.listed()?.len()
    });
    for (client, why) in spared {
        let drawn = cluster.draw(circuit.node(), client, 404, 1).await?;
        let refused = match circuit.ban(client.address, "block").await {
            Err(Trouble::Command { said, .. }) => said,
            Err(trouble) => return Err(trouble),
            Ok(()) => "it was banned".to_owned(),
        };
        row = row
            .is(&format!("404s that {} draws after all", client.address), 1, drawn)
            .is(&format!("statuses of {}", client.address), [200; 2], cluster.statuses(client).await?)
            .holds(format!("`bans add {}` says {why:?}: {refused}", client.address), refused.contains(why));
    }
    Ok(row)
}
