//! The list: whether the client is one of the offenders that the origin has published.
//!
//! The list can only take access away, so whatever can't be read means "not listed"; the record
//! says why.

use std::fmt;
use std::time::Duration;

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{
    Action, Bucket, BucketFault, Fingerprint, ListKey, ListKeys, ListMode, META_ITEM, Meta, MetaFault, Record,
};
use countersign_contract::mac_keys::MacKeysFault;
use countersign_contract::name::KeyId;
use countersign_contract::time::UnixSeconds;
use thiserror::Error;

use crate::platform::{LIST_KEY, Platform, Store, StoreFault};
use crate::refusal::Refusal;

/// The list as one request sees it: `_meta` is read once, two buckets for each key that is looked up.
pub struct List<'p, P> {
    platform: &'p P,
    now: UnixSeconds,
    head: Option<Head>,
    standing: Standing,
}

/// How to read the buckets.
struct Head {
    meta: Meta,
    key: ListKey,
}

/// What the list says of a client, by all its keys that were looked up so far.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The hardest record that is in force.
    pub listed: Option<Listed>,
    /// Whether it is acted on.
    pub mode: ListMode,
    /// The generation of the list that was looked at.
    pub generation: Option<u64>,
    /// The key that the list is made with.
    pub key: Option<KeyId>,
    /// Why the list, or a part of it, could not be read: the first fault.
    pub fault: Option<ListFault>,
    /// How long looking it all up took; nothing where nothing was.
    pub took: Option<Duration>,
}

/// A record, and the key that it was found under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What is done, and until when.
    pub record: Record,
    /// By what the client is listed.
    pub by: KeyKind,
}

/// The kinds of keys that a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Its IPv4 address, or its IPv6 /64.
    Address,
    /// Who is signed in.
    Subject,
    /// The log-in.
    Session,
}

/// Why the list could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ListFault {
    /// A store can't be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The secret is missing.
    #[error("secret `{LIST_KEY}` is missing")]
    KeyMissing,
    /// The secret holds no keys.
    #[error("secret `{LIST_KEY}`: {0}")]
    Key(#[from] MacKeysFault),
    /// The list is made with a key that the secret doesn't hold.
    #[error("secret `{LIST_KEY}` has no key `{0}`, which the list is made with")]
    KeyUnknown(KeyId),
    /// An item is missing.
    #[error("item `{0}` is missing")]
    Missing(String),
    /// The head can't be read.
    #[error("{0}")]
    Meta(String),
    /// One of the client's buckets can't be read.
    #[error("item `{item}`: {fault}")]
    Bucket {
        /// The bucket's item.
        item: String,
        /// What is wrong with it.
        fault: BucketFault,
    },
}

impl<'p, P: Platform> List<'p, P> {
    /// Opens the list. One that can't be read lists nobody.
    #[must_use]
    pub fn open(platform: &'p P, now: UnixSeconds) -> Self {
        let mut list = Self { platform, now, head: None, standing: Standing::default() };
        let began = platform.elapsed();
        match list.read_head() {
            Ok(head) => list.head = Some(head),
            Err(fault) => list.standing.note(fault),
        }
        list.spent_since(began);
        list
    }

    /// Looks one more key of the client up.
    pub fn look_up(&mut self, client: &ClientKey) {
        let Some(Head { meta, key }) = &self.head else { return };
        let began = self.platform.elapsed();
        let fingerprint = key.fingerprint(client);
        for bucket in fingerprint.buckets(meta.buckets) {
            match self.find(meta, bucket, &fingerprint) {
                Ok(record) => self.standing.add(record.map(|record| Listed { record, by: client.into() })),
                // The other bucket may have the record.
                Err(fault) => self.standing.note(fault),
            }
        }
        self.spent_since(began);
    }

    /// What has been found.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    fn spent_since(&mut self, began: Duration) {
        let spent = self.platform.elapsed().saturating_sub(began);
        self.standing.took = Some(self.standing.took.unwrap_or_default() + spent);
    }

    fn read_head(&mut self) -> Result<Head, ListFault> {
        let meta = Meta::parse(&self.item(META_ITEM)?)?;
        self.standing.generation = Some(meta.generation);
        self.standing.mode = meta.mode;
        self.standing.key = Some(meta.key.clone());
        let secret = self.platform.secret(LIST_KEY)?.ok_or(ListFault::KeyMissing)?;
        let keys = ListKeys::parse(std::str::from_utf8(&secret).map_err(|_| MacKeysFault::Bytes)?)?;
        let key = keys.get(&meta.key).ok_or_else(|| ListFault::KeyUnknown(meta.key.clone()))?;
        Ok(Head { meta, key })
    }

    fn find(&self, meta: &Meta, bucket: u32, client: &Fingerprint) -> Result<Option<Record>, ListFault> {
        let item = Bucket::item_key(meta.set, bucket);
        let value = self.item(&item)?;
        Bucket::look_up(&value, client.mark(), meta.epoch, self.now)
            .map_err(|fault| ListFault::Bucket { item, fault })
    }

    fn item(&self, key: &str) -> Result<String, ListFault> {
        self.platform.item(Store::List, key)?.ok_or_else(|| ListFault::Missing(key.to_owned()))
    }
}

impl Standing {
    /// What the client is refused for, whether or not somebody is signed in.
    #[must_use]
    pub fn refusal(&self, now: UnixSeconds) -> Option<Refusal> {
        let Listed { record, by } = self.listed?;
        match record.action {
            // Whoever it is may sign in again.
            Action::Block if by == KeyKind::Session => Some(Refusal::SessionRevoked),
            Action::Block => Some(Refusal::ListedBlock { by }),
            Action::Throttle => Some(Refusal::ListedThrottle { by, seconds: record.expires.since(now) }),
            Action::RequireIdentity | Action::Observe => None,
        }
    }

    /// Whether somebody has to be signed in.
    #[must_use]
    pub fn wants_identity(&self) -> bool {
        self.listed.is_some_and(|listed| listed.record.action == Action::RequireIdentity)
    }

    /// Keeps the harder one; of two as hard, the one that holds longer.
    fn add(&mut self, found: Option<Listed>) {
        let hardness = |listed: &Listed| (listed.record.action, listed.record.expires);
        self.listed = self.listed.into_iter().chain(found).max_by_key(hardness);
    }

    fn note(&mut self, fault: ListFault) {
        self.fault.get_or_insert(fault);
    }
}

impl From<&ClientKey> for KeyKind {
    fn from(key: &ClientKey) -> Self {
        match key {
            ClientKey::Ipv4(_) | ClientKey::Ipv6Network(_) => Self::Address,
            ClientKey::Subject(_) => Self::Subject,
            ClientKey::Session(_) => Self::Session,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "address",
            Self::Subject => "subject",
            Self::Session => "session",
        })
    }
}

impl From<MetaFault> for ListFault {
    fn from(fault: MetaFault) -> Self {
        Self::Meta(fault.to_string())
    }
}
