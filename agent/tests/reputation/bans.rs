use countersign::reputation::bans::{Ban, BanFault, Bans, Cause, ChangeNumber, Standing, State};
use countersign_contract::client_key::ClientKey;
use countersign_contract::list::Action;
use countersign_contract::time::UnixSeconds;

const NOW: UnixSeconds = UnixSeconds(1_790_000_000);

fn client(text: &str) -> ClientKey {
    text.parse().unwrap()
}

fn by_hand(action: Action, seconds: u64) -> Ban {
    let cause = Cause::Operator { reason: "seen in the logs".into() };
    Ban { action, since: NOW, until: NOW.plus(seconds), cause }
}

fn changes(bans: &Bans, mut seen: ChangeNumber) -> Vec<(String, Option<Action>)> {
    let mut found = Vec::new();
    while let Some((number, client, standing)) = bans.change_after(seen) {
        seen = number;
        found.push((client.to_string(), standing.taught().action));
    }
    found
}

#[test]
fn whoever_follows_the_changes_learns_the_last_word_on_each_client() {
    let mut bans = Bans::default();
    bans.add(&client("192.0.2.1"), by_hand(Action::Block, 60), NOW).unwrap();
    bans.add(&client("192.0.2.2"), by_hand(Action::Throttle, 60), NOW).unwrap();
    let seen = bans.last_change();
    bans.add(&client("192.0.2.3"), by_hand(Action::Observe, 60), NOW).unwrap();
    bans.remove(&client("192.0.2.1"), 60, NOW).unwrap();
    let new = vec![("192.0.2.3".to_owned(), Some(Action::Observe)), ("192.0.2.1".to_owned(), None)];
    assert_eq!(changes(&bans, seen), new);
    let all = [vec![("192.0.2.2".to_owned(), Some(Action::Throttle))], new].concat();
    assert_eq!(changes(&bans, ChangeNumber::default()), all);
}

#[test]
fn a_ban_ends_by_itself_and_is_forgotten() {
    let mut bans = Bans::default();
    bans.add(&client("subject:ann"), by_hand(Action::Block, 60), NOW).unwrap();
    assert!(bans.ban(&client("subject:ann"), NOW.plus(59)).is_some());
    assert!(bans.ban(&client("subject:ann"), NOW.plus(60)).is_none());
    bans.expire(NOW.plus(60));
    assert!(bans.is_empty() && changes(&bans, ChangeNumber::default()).is_empty());
}

#[test]
fn only_a_ban_can_be_lifted_and_none_can_end_before_it_begins() {
    let mut bans = Bans::default();
    assert_eq!(bans.remove(&client("192.0.2.1"), 60, NOW), None);
    assert_eq!(bans.add(&client("192.0.2.1"), by_hand(Action::Block, 0), NOW), Err(BanFault::Ended));
    bans.add(&client("192.0.2.1"), by_hand(Action::Block, 60), NOW).unwrap();
    assert!(bans.remove(&client("192.0.2.1"), 60, NOW).is_some());
    assert_eq!(bans.remove(&client("192.0.2.1"), 60, NOW), None, "lifted already");
}

#[test]
fn a_standing_reads_back_as_it_was_written() {
    let mut bans = Bans::default();
    bans.add(&client("2001:db8::/64"), by_hand(Action::RequireIdentity, 60), NOW).unwrap();
    bans.add(&client("192.0.2.9"), by_hand(Action::Block, 60), NOW).unwrap();
    bans.remove(&client("192.0.2.9"), 300, NOW).unwrap();
    let mut restored = Bans::default();
    for (who, standing) in bans.iter(NOW) {
        let text = serde_json::to_string(standing).unwrap();
        let standing: Standing = serde_json::from_str(&text).unwrap();
        restored.restore(who, standing).unwrap();
    }
    assert_eq!(restored.ban(&client("2001:db8::1"), NOW), bans.ban(&client("2001:db8::1"), NOW));
    let pardoned = restored.get(&client("192.0.2.9"), NOW).map(|standing| standing.state.clone());
    assert_eq!(pardoned, Some(State::Pardoned { until: NOW.plus(300) }));
}
