//! Where the keys of bots come from: the directories of the settings, fetched and kept. Never from a place
//! that a request names.

use std::time::Duration;

use super::directory::{Directory, Key, LONGEST_DIRECTORY};
use super::fault::{BotFault, shorten};
use super::verify::Search;
use crate::platform::{CacheEntry, FetchFault, Platform};
use crate::provider;
use crate::settings::Bot;

/// The key of a thumbprint in a bot's directory.
///
/// # Errors
/// [`BotFault::UnknownKey`] where it has none, [`BotFault::KeysUnavailable`] where it can't be had.
pub(super) fn find(
    platform: &impl Platform,
    bot: &Bot,
    thumbprint: &str,
    search: Search,
) -> Result<Key, BotFault> {
    let entry = CacheEntry {
        key: format!("countersign-bot-1 {} {}", bot.name, bot.directory),
        max_age: Duration::from_secs(bot.max_age_seconds),
        stale: Duration::from_secs(bot.stale_seconds),
    };
    let fetch = || fetch(platform, bot);
    // Anybody can claim to be this bot: a directory that fails must not cost each of them the wait.
    let what = format!("bot {} {}", bot.name, bot.directory);
    let fetch_or_fault = || provider::remembered(platform, &what, bot.refetch_cooldown_seconds, fetch);
    let in_directory = |json: &[u8]| {
        let directory = Directory::parse(json).map_err(|fault| unavailable(bot, unusable(&fault)))?;
        Ok(directory.find(thumbprint).cloned())
    };
    let cached = platform.cached(&entry, &fetch_or_fault).map_err(|fault| unavailable(bot, fault))?;
    let mut found = in_directory(&cached)?;
    if found.is_none() && search == Search::Anew {
        let cool_down = Duration::from_secs(bot.refetch_cooldown_seconds);
        // Where it can't be had anew the known keys are still good; this one just isn't among them.
        if let Ok(newer) = platform.cached_anew(&entry, cool_down, &fetch) {
            found = in_directory(&newer)?;
        }
    }
    found.ok_or_else(|| BotFault::UnknownKey(shorten(thumbprint)))
}

/// Fetches a directory. Only one that holds a usable key gets into the cache, so that an error page never
/// replaces good keys.
fn fetch(platform: &impl Platform, bot: &Bot) -> Result<Vec<u8>, FetchFault> {
    let json = provider::get(platform, &bot.backend, &bot.directory, LONGEST_DIRECTORY)?;
    Directory::parse(&json).map_err(|fault| unusable(&fault))?;
    Ok(json)
}

fn unusable(fault: &dyn std::fmt::Display) -> FetchFault {
    FetchFault::Unusable(fault.to_string())
}

fn unavailable(bot: &Bot, fault: FetchFault) -> BotFault {
    BotFault::KeysUnavailable { bot: bot.name.clone(), fault }
}
