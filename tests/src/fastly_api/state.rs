//! The stand-in's mind: its stores, its budget, its plans, and what it was asked.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::answer::{Answer, Refusal};
use super::budget::{Meter, Told};
use super::call::{Address, Call, Echo, MAX_BODY, Page, Sort};
use super::fault::{Fault, Plans, is_read};
use super::mirror::Mirror;
use super::record::{Recorded, Request};
use super::store::{FailingBatch, Item, Kind, Operation, Store, StoreId};
use super::{SERVICE_ID, TOKEN};

/// Everything that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) stores: BTreeMap<StoreId, Store>,
    pub(super) mirrors: BTreeMap<StoreId, Mirror>,
    pub(super) propagation: Duration,
    pub(super) meter: Meter,
    pub(super) failing_batch: FailingBatch,
    pub(super) plans: Plans,
    pub(super) requests: Vec<Recorded>,
    /// So many stores were made; ids are never used twice.
    made: u32,
}

/// What comes of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered(Answer, Manner),
    Cut,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    AtOnce,
    After(Duration),
    InPieces { piece: usize, pause: Duration },
}

impl State {
    pub(super) fn new(meter: Meter, failing_batch: FailingBatch) -> Self {
        Self {
            stores: BTreeMap::new(),
            mirrors: BTreeMap::new(),
            propagation: Duration::ZERO,
            meter,
            failing_batch,
            plans: Plans::default(),
            requests: Vec::new(),
            made: 0,
        }
    }

    /// Carries a request out, as far as the plans let it, and records it.
    pub(super) fn handle(&mut self, request: &Request) -> Outcome {
        let now = SystemTime::now();
        let call = if request.body.len() > MAX_BODY {
            Err(Refusal::TooLarge)
        } else {
            Call::read(&request.method, &request.path, &request.query, &request.body)
        };
        let operations = call.as_ref().map(|call| call.operations().to_vec()).unwrap_or_default();
        let fault = self.plans.strike(&request.method, &request.path);
        let outcome = self.outcome(request, call, fault, now);
        let status = match &outcome {
            Outcome::Answered(answer, _) => Some(answer.status),
            Outcome::Cut => None,
        };
        self.requests.push(Recorded::of(request, now, operations, fault, status));
        outcome
    }

    /// Makes an empty store.
    pub(super) fn make(&mut self, kind: Kind, name: &str) -> StoreId {
        self.made = self.made.saturating_add(1);
        // 22 characters, as Fastly's ids have.
        let id = StoreId(format!("standin{:015}", self.made));
        self.stores.insert(id.clone(), Store::new(kind, name, &written(SystemTime::now())));
        id
    }

    /// Changes a store past the API.
    pub(super) fn by_hand(&mut self, id: &StoreId, change: impl FnOnce(&mut BTreeMap<String, Item>, &str)) {
        if let Some(store) = self.stores.get_mut(id) {
            change(&mut store.items, &written(SystemTime::now()));
        }
        self.show(id);
    }

    fn outcome(
        &mut self,
        request: &Request,
        call: Result<Call, Refusal>,
        fault: Option<Fault>,
        now: SystemTime,
    ) -> Outcome {
        let at_once = |answer| Outcome::Answered(answer, Manner::AtOnce);
        match fault {
            None => at_once(self.answer(request, call, now)),
            Some(Fault::TooManyRequests { reset_in_seconds }) => {
                let reset = super::budget::unix(now).saturating_add(reset_in_seconds);
                let window = super::budget::Window { remaining: 0, reset };
                at_once(Answer::too_many_requests().with_window(window))
            }
            Some(Fault::Status { status, shape }) => {
                at_once(Answer::error(status, shape, "Planned fault", "nothing was done"))
            }
            Some(Fault::CutBefore) => Outcome::Cut,
            Some(Fault::CutAfter { operations }) => {
                self.answer(request, call.map(|call| call.cut_short(operations)), now);
                Outcome::Cut
            }
            Some(Fault::CutBeforeAnswer) => {
                self.answer(request, call, now);
                Outcome::Cut
            }
            Some(Fault::Lost) => {
                let before = self.stores.clone();
                let mirrors = std::mem::take(&mut self.mirrors);
                let answer = self.answer(request, call, now);
                (self.stores, self.mirrors) = (before, mirrors);
                at_once(answer)
            }
            Some(Fault::Slow { delay }) => {
                Outcome::Answered(self.answer(request, call, now), Manner::After(delay))
            }
            Some(Fault::Trickle { piece, pause }) => {
                Outcome::Answered(self.answer(request, call, now), Manner::InPieces { piece, pause })
            }
            Some(Fault::Garbage) => at_once(self.answer(request, call, now).garbled()),
        }
    }

    fn answer(&mut self, request: &Request, call: Result<Call, Refusal>, now: SystemTime) -> Answer {
        if !matches!(call, Ok(Call::OpenIdConfiguration)) && request.token.as_deref() != Some(TOKEN) {
            return Refusal::Unauthorized.answer();
        }
        let carry_out = |state: &mut Self| match call.and_then(|call| state.carry_out(call, &written(now))) {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(),
        };
        if is_read(&request.method) {
            return carry_out(self);
        }
        let told = match self.meter.told() {
            Told::OnWrites => true,
            Told::OnDictionaryWrites => request.path.starts_with("/service/"),
            Told::Never => false,
        };
        let (answer, window) = match self.meter.spend(now) {
            Ok(window) => (carry_out(self), window),
            Err(window) => (Answer::too_many_requests(), window),
        };
        if told { answer.with_window(window) } else { answer }
    }

    fn carry_out(&mut self, call: Call, now: &str) -> Result<Answer, Refusal> {
        match call {
            // The command line reads these four and calls none of them.
            Call::OpenIdConfiguration => Ok(Answer::json(&json!({
                "issuer": "http://127.0.0.1/realms/fastly",
                "authorization_endpoint": "http://127.0.0.1/authorize",
                "token_endpoint": "http://127.0.0.1/token",
                "jwks_uri": "http://127.0.0.1/jwks",
            }))),
            Call::ListConfigStores { name } => {
                let listed = self.config_stores();
                let listed = listed.filter(|(_, store)| name.as_ref().is_none_or(|name| *name == store.name));
                Ok(Answer::json(&listed.map(|(id, store)| config_store(id, store)).collect()))
            }
            Call::CreateConfigStore { name } if name.is_empty() => {
                Err(Refusal::Malformed { why: "expected a name".into() })
            }
            Call::CreateConfigStore { name } => {
                if self.config_stores().any(|(_, store)| store.name == name) {
                    return Err(Refusal::Duplicate { key: name });
                }
                let id = self.make(Kind::ConfigStore, &name);
                self.describe(&id)
            }
            Call::DescribeConfigStore(id) => self.describe(&id),
            Call::DeleteConfigStore(id) => {
                self.find(&Address::ConfigStore(id.clone()))?;
                self.stores.remove(&id);
                self.mirrors.remove(&id);
                Ok(Answer::ok())
            }
            Call::ListItems { at, page } => {
                let (id, store) = self.find_readable(&at)?;
                Ok(list(&at, &id, store, page.as_ref()))
            }
            Call::DescribeItem { at, key } => {
                let (id, store) = self.find_readable(&at)?;
                let item = store.items.get(&key).ok_or(Refusal::NoSuchItem { key: key.clone() })?;
                Ok(Answer::json(&item_json(&at, &id, &key, item)))
            }
            Call::WriteItem { at, operation, echo } => self.write_item(&at, &operation, &echo, now),
            Call::WriteItems { at, operations } => {
                let failing = self.failing_batch;
                let (id, store) = self.find(&at)?;
                let done = store.apply_all(&operations, failing, now);
                self.show(&id);
                done.map(|()| Answer::ok())
            }
        }
    }

    fn write_item(
        &mut self,
        at: &Address,
        operation: &Operation,
        echo: &Echo,
        now: &str,
    ) -> Result<Answer, Refusal> {
        let (id, store) = self.find(at)?;
        store.apply(operation, now)?;
        let answer = match echo {
            Echo::Item(key) => store.items.get(key).map(|item| item_json(at, &id, key, item)),
            Echo::Status => None,
        };
        self.show(&id);
        Ok(answer.map_or_else(Answer::ok, |item| Answer::json(&item)))
    }

    fn show(&mut self, id: &StoreId) {
        if let (Some(mirror), Some(store)) = (self.mirrors.get_mut(id), self.stores.get(id)) {
            mirror.show(store, self.propagation);
        }
    }

    fn config_stores(&self) -> impl Iterator<Item = (&StoreId, &Store)> {
        self.stores.iter().filter(|(_, store)| store.kind == Kind::ConfigStore)
    }

    fn describe(&mut self, id: &StoreId) -> Result<Answer, Refusal> {
        let (id, store) = self.find(&Address::ConfigStore(id.clone()))?;
        Ok(Answer::json(&config_store(&id, store)))
    }

    fn find(&mut self, at: &Address) -> Result<(StoreId, &mut Store), Refusal> {
        let (id, is_dictionary) = match at {
            Address::ConfigStore(id) => (id, false),
            Address::Dictionary { service, id } if service == SERVICE_ID => (id, true),
            Address::Dictionary { .. } => return Err(Refusal::NoSuchStore),
        };
        let store = self.stores.get_mut(id).ok_or(Refusal::NoSuchStore)?;
        match (store.kind, is_dictionary) {
            (Kind::ConfigStore, false) | (Kind::Dictionary | Kind::WriteOnlyDictionary, true) => {
                Ok((id.clone(), store))
            }
            _ => Err(Refusal::NoSuchStore),
        }
    }

    fn find_readable(&mut self, at: &Address) -> Result<(StoreId, &Store), Refusal> {
        let (id, store) = self.find(at)?;
        if store.kind == Kind::WriteOnlyDictionary { Err(Refusal::WriteOnly) } else { Ok((id, store)) }
    }
}

/// go-fastly, `fixtures/config_store/TestClient_GetConfigStore/get_store.yaml`.
fn config_store(id: &StoreId, store: &Store) -> Value {
    json!({
        "id": id.text(),
        "name": store.name,
        "created_at": store.created,
        "updated_at": store.created,
        "deleted_at": null,
    })
}

/// go-fastly, `fixtures/config_store_item/TestClient_ListConfigStoreItems/list_items.yaml` and
/// `fixtures/dictionary_items/list.yaml`.
fn item_json(at: &Address, id: &StoreId, key: &str, item: &Item) -> Value {
    let mut json = json!({
        "item_key": key,
        "item_value": item.value,
        "created_at": item.created,
        "updated_at": item.updated,
        "deleted_at": null,
    });
    if let Some(fields) = json.as_object_mut() {
        match at {
            Address::ConfigStore(_) => {
                fields.insert("store_id".into(), id.text().into());
            }
            Address::Dictionary { service, .. } => {
                fields.insert("service_id".into(), service.as_str().into());
                fields.insert("dictionary_id".into(), id.text().into());
            }
        }
    }
    json
}

/// A bare array. Pages are chained by the header `Link`, which is what go-fastly's paginator follows.
fn list(at: &Address, id: &StoreId, store: &Store, page: Option<&Page>) -> Answer {
    let mut items: Vec<(&String, &Item)> = store.items.iter().collect();
    let json = |(key, item): &(&String, &Item)| item_json(at, id, key, item);
    let Some(page) = page else { return Answer::json(&items.iter().map(json).collect()) };
    if page.sort == Sort::ByCreation {
        items.sort_by(|(_, one), (_, other)| one.created.cmp(&other.created));
    }
    let last = items.len().div_ceil(page.length).max(1);
    let skipped = page.number.saturating_sub(1).saturating_mul(page.length);
    let shown: Value = items.iter().skip(skipped).take(page.length).map(json).collect();
    let mut answer = Answer::json(&shown);
    if page.number < last {
        let link = |number: usize, relation: &str| {
            let path = format!("/service/{SERVICE_ID}/dictionary/{}/items", id.text());
            format!("<{path}?page={number}&per_page={}>; rel=\"{relation}\"", page.length)
        };
        let next = link(page.number.saturating_add(1), "next");
        answer.headers.push(("link", format!("{next}, {}", link(last, "last"))));
    }
    answer
}

/// ISO 8601 to the second, as the API writes times.
fn written(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let to_the_second = time.replace_nanosecond(0).unwrap_or(time);
    // Fails only for years of more than four digits.
    to_the_second.format(&Rfc3339).unwrap_or_default()
}
