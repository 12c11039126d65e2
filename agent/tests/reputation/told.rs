//! Entries as a node tells them: encoded and decoded by the wire.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use countersign::reputation::aggregate::{Aggregate, Consequence, Moment, NodeNumber};
use countersign::reputation::bans::Bans;
use countersign::reputation::guard::Guard;
use countersign::reputation::guarded::Guarded;
use countersign::reputation::signal::{Rung, Signal};
use countersign::reputation::table::VerdictTable;
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::time::UnixSeconds;
use haproxy_wire::peers::{
    DataType, Elements, Entry, Key, KeyType, Lifetime, MaxMessageSize, Message, Parameters, Period, Rate,
    Schema, Update, UpdateId, Value,
};

/// The wall clock at the start of a test.
pub(crate) const START: u64 = 1_790_000_000;
/// The period of the shipped rates.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// The life of an entry of the shipped tables.
pub(crate) const LIFE: Duration = Duration::from_secs(600);

/// `type ipv6 … store gpc_rate(4,1m)`, as the shipped `cs_sensor`.
pub(crate) fn sensor() -> Schema {
    let rates =
        Parameters::ElementsAndPeriod(Elements::new(4).unwrap(), Period::from_millis(60_000).unwrap());
    Schema::new(KeyType::Ipv6, LIFE).with(DataType::GpcRate, rates).unwrap()
}

/// A rate of so many events just now.
pub(crate) fn just_now(events: u32) -> Value<'static> {
    Value::Rate(Rate { elapsed: 0, current: events, previous: 0 })
}

pub(crate) fn with_entry<T>(
    schema: &Schema,
    key: &Key<'_>,
    values: &[Value<'_>],
    use_it: impl FnOnce(&Entry<'_>) -> T,
) -> T {
    let mut bytes = BytesMut::new();
    let (id, values) = (Some(UpdateId(1)), values.iter().copied());
    Update::encode(id, None, schema, key, values, MaxMessageSize::DEFAULT, &mut bytes).unwrap();
    let (Message::Update(update), _) = Message::decode(&bytes, MaxMessageSize::DEFAULT).unwrap() else {
        panic!("an update")
    };
    use_it(&update.entry(schema).unwrap())
}

/// Two nodes, one signal on 404s: more than 10 a minute, then throttle, throttle for longer, block.
pub(crate) struct Stage {
    pub(crate) aggregate: Aggregate,
    pub(crate) bans: Guarded,
    pub(crate) began: Instant,
    pub(crate) elapsed: Duration,
}

pub(crate) fn probing() -> Signal {
    Signal {
        name: serde_json::from_value("probing".into()).unwrap(),
        table: "cs_sensor".into(),
        value: "gpc_rate[0]".parse().unwrap(),
        over: 10,
        remember_seconds: 3600,
        rungs: vec![
            Rung { action: Action::Throttle, seconds: 120 },
            Rung { action: Action::Throttle, seconds: 600 },
            Rung { action: Action::Block, seconds: 1200 },
        ],
    }
}

impl Stage {
    pub(crate) fn new(signal: Signal) -> Self {
        let began = Instant::now();
        let nodes = ["hap1", "hap2"].map(str::to_owned);
        let mut aggregate = Aggregate::new(vec![signal], nodes, 1000);
        for node in 0..2 {
            aggregate.announce(NodeNumber(node), b"/cs_sensor", &sensor(), began);
        }
        Self {
            aggregate,
            bans: Guarded::new(Bans::default(), Guard::default()),
            began,
            elapsed: Duration::ZERO,
        }
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        UnixSeconds(START + self.elapsed.as_secs())
    }

    pub(crate) fn steady(&self) -> Instant {
        self.began + self.elapsed
    }

    /// A node says that it has counted so many 404s of a client just now.
    pub(crate) fn tell(&mut self, node: usize, client: &str, events: u32) -> Option<Consequence> {
        let values = [just_now(events), just_now(0), just_now(0), just_now(0)];
        self.tell_values(node, client, &values)
    }

    pub(crate) fn tell_values(
        &mut self,
        node: usize,
        client: &str,
        values: &[Value<'_>],
    ) -> Option<Consequence> {
        let moment = Moment { steady: self.steady(), unix: self.now() };
        let client: ClientKey = client.parse().unwrap();
        let (_, key) = VerdictTable::of(&client);
        let Self { aggregate, bans, .. } = self;
        with_entry(&sensor(), &key, values, |entry| {
            aggregate.hear(NodeNumber(node), b"/cs_sensor", entry, Lifetime::For(LIFE), bans, moment)
        })
    }

    pub(crate) fn later(&mut self, seconds: u64) {
        self.elapsed += Duration::from_secs(seconds);
    }

    /// What is done about a client now.
    pub(crate) fn action(&self, client: &str) -> Option<Action> {
        self.bans.bans().ban(&client.parse().unwrap(), self.now()).map(|ban| ban.action)
    }
}
