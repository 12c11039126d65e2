use countersign::reputation::list::{List, Teaching};
use countersign::reputation::table::Taught;
use countersign_contract::client_key::ClientKey;
use countersign_contract::time::UnixSeconds;

const NOW: UnixSeconds = UnixSeconds(1_790_000_000);

fn set(list: &List, client: &str, action: Option<countersign_contract::list::Action>, teaching: u64) {
    let client: ClientKey = client.parse().unwrap();
    list.set(client, Taught { action, until: NOW.plus(60) }, Teaching(teaching));
}

#[test]
fn a_whole_teaching_replaces_all_that_was_taught_before() {
    use countersign_contract::list::Action::Block;
    let list = List::default();
    set(&list, "192.0.2.1", Some(Block), 1);
    set(&list, "subject:ann", Some(Block), 1);
    set(&list, "session:08a5", Some(Block), 1);
    set(&list, "192.0.2.2", Some(Block), 2);
    set(&list, "192.0.2.1", Some(Block), 2);
    list.keep_since(Teaching(2));
    assert_eq!(list.len(), 2, "ann was lifted while the link was down");
    set(&list, "192.0.2.1", None, 2);
    assert_eq!(list.len(), 1);
    list.expire(NOW.plus(60));
    assert!(list.is_empty());
}
