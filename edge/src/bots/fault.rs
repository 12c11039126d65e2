//! Why a request that claims to be a bot's is nobody's.

use countersign_contract::name::BotName;
use thiserror::Error;

use crate::platform::FetchFault;

/// Why a claim to be a bot is not verified: one variant a fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BotFault {
    /// A header is longer than is read.
    #[error("`{header}` is {length} bytes long, expected at most {most}")]
    TooLarge {
        /// The header.
        header: &'static str,
        /// Its length, all of its lines together.
        length: usize,
        /// What is read at most.
        most: usize,
    },
    /// A header can't be read.
    #[error("`{header}` can't be read: {reason}")]
    Malformed {
        /// The header.
        header: &'static str,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// It says who it is and signs nothing.
    #[error("`Signature-Agent` without a signature whose `tag` is `web-bot-auth`")]
    Unsigned,
    /// More than one signature claims it.
    #[error("{0} signatures have the `tag` `web-bot-auth`, expected one")]
    SeveralSignatures(usize),
    /// A parameter of the signature is missing.
    #[error("the signature has no `{0}`")]
    ParameterMissing(&'static str),
    /// Another algorithm.
    #[error("the signature's `alg` is `{0}`, expected `ed25519` or none")]
    AlgorithmRefused(String),
    /// It isn't for one host.
    #[error("the signature covers neither `@authority` nor `@target-uri`")]
    AuthorityUnsigned,
    /// What names the bot isn't signed.
    #[error(
        "the signature doesn't cover `signature-agent`, in the dictionary form with the `key` of its member"
    )]
    AgentUnsigned,
    /// A component that can't be rebuilt here.
    #[error("the signature covers `{0}`, which isn't known here in a form that could be verified")]
    ComponentUnsupported(String),
    /// A component that the request doesn't have.
    #[error("the signature covers `{0}`, which the request doesn't have exactly once")]
    ComponentMissing(String),
    /// Over before it began.
    #[error("the signature's `expires` is not after its `created`")]
    EndsBeforeItBegins,
    /// It could be used again for too long.
    #[error("the signature lives {lifetime} s, expected at most {longest}")]
    LivesTooLong {
        /// How long it lives, in seconds.
        lifetime: u64,
        /// How long it may, in seconds.
        longest: u64,
    },
    /// From the future.
    #[error("the signature was made {0} s in the future")]
    FromTheFuture(u64),
    /// Over.
    #[error("the signature expired {0} s ago")]
    Expired(u64),
    /// A bot that the settings don't name.
    #[error("no bot of the settings has the `signature_agent` `{0}`")]
    UnknownAgent(String),
    /// Several bots have its key, and it doesn't say which it is.
    #[error("the key is `{0}`'s and `{1}`'s, and no `Signature-Agent` says which is meant")]
    AgentMissing(BotName, BotName),
    /// Its directory can't be had.
    #[error("the key directory of bot `{bot}` can't be had: {fault}")]
    KeysUnavailable {
        /// The bot.
        bot: BotName,
        /// Why.
        fault: FetchFault,
    },
    /// A key that its directory doesn't have.
    #[error("no directory of the settings has the key `{0}` for it")]
    UnknownKey(String),
    /// Not signed by that key, or for another request.
    #[error("the signature is not that key's over this request")]
    SignatureInvalid,
}

impl BotFault {
    /// The word for this fault in records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "bot-signature-too-large",
            Self::Malformed { .. } => "bot-signature-malformed",
            Self::Unsigned => "bot-unsigned",
            Self::SeveralSignatures(_) => "bot-several-signatures",
            Self::ParameterMissing(_) => "bot-parameter-missing",
            Self::AlgorithmRefused(_) => "bot-algorithm-refused",
            Self::AuthorityUnsigned => "bot-authority-unsigned",
            Self::AgentUnsigned => "bot-agent-unsigned",
            Self::ComponentUnsupported(_) => "bot-component-unsupported",
            Self::ComponentMissing(_) => "bot-component-missing",
            Self::EndsBeforeItBegins => "bot-ends-before-it-begins",
            Self::LivesTooLong { .. } => "bot-lives-too-long",
            Self::FromTheFuture(_) => "bot-from-the-future",
            Self::Expired(_) => "bot-expired",
            Self::UnknownAgent(_) => "bot-unknown-agent",
            Self::AgentMissing(..) => "bot-agent-missing",
            Self::KeysUnavailable { .. } => "bot-keys-unavailable",
            Self::UnknownKey(_) => "bot-unknown-key",
            Self::SignatureInvalid => "bot-signature-invalid",
        }
    }

    pub(super) fn malformed(header: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Malformed { header, reason: reason.to_string() }
    }
}

/// At most 64 characters of what somebody sent, for a message.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}
