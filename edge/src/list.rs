//! The list: whether the client is one of the offenders that the origin has published.
//!
//! The list can only take access away, so whatever can't be read means "not listed"; the record
//! says why.

use std::net::IpAddr;

use countersign_contract::client_key::ClientKey;
use countersign_contract::list::{
    Bucket, BucketFault, ListKey, ListKeyFault, META_ITEM, Meta, MetaFault, Record,
};
use countersign_contract::time::UnixSeconds;
use thiserror::Error;

use crate::platform::{LIST_KEY, Platform, Store, StoreFault};

/// What the list says of a client.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The record that is in force.
    pub record: Option<Record>,
    /// The generation of the list that was looked at.
    pub generation: Option<u64>,
    /// Why the list could not be read.
    pub fault: Option<ListFault>,
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
    /// The secret is no key.
    #[error("secret `{LIST_KEY}`: {0}")]
    Key(#[from] ListKeyFault),
    /// An item is missing.
    #[error("item `{0}` is missing")]
    Missing(String),
    /// The head can't be read.
    #[error("{0}")]
    Meta(String),
    /// The client's bucket can't be read.
    #[error("item `{item}`: {fault}")]
    Bucket {
        /// The bucket's item.
        item: String,
        /// What is wrong with it.
        fault: BucketFault,
    },
}

impl From<MetaFault> for ListFault {
    fn from(fault: MetaFault) -> Self {
        Self::Meta(fault.to_string())
    }
}

/// Looks an address up.
#[must_use]
pub fn look_up(platform: &impl Platform, client: IpAddr, now: UnixSeconds) -> Standing {
    let mut standing = Standing::default();
    match find(platform, client, now, &mut standing.generation) {
        Ok(record) => standing.record = record,
        Err(fault) => standing.fault = Some(fault),
    }
    standing
}

fn find(
    platform: &impl Platform,
    client: IpAddr,
    now: UnixSeconds,
    generation: &mut Option<u64>,
) -> Result<Option<Record>, ListFault> {
    let item = |key: &str| platform.item(Store::List, key)?.ok_or_else(|| ListFault::Missing(key.to_owned()));
    let meta = Meta::parse(&item(META_ITEM)?)?;
    *generation = Some(meta.generation);
    let secret = platform.secret(LIST_KEY)?.ok_or(ListFault::KeyMissing)?;
    let key = ListKey::from_base64url(std::str::from_utf8(&secret).map_err(|_| ListKeyFault)?)?;
    let fingerprint = key.fingerprint(&ClientKey::of_address(client));
    let name = Bucket::item_key(fingerprint.bucket(meta.buckets));
    let value = item(&name)?;
    let bucket = Bucket::parse(&value).map_err(|fault| ListFault::Bucket { item: name, fault })?;
    Ok(bucket.find(&fingerprint, meta.epoch, now))
}
