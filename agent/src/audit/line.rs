//! A record as its line of JSON: byte for byte what `serde_json` writes, at a fifth of its time, since
//! every verdict waits for it.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;

use countersign_contract::record::{DecisionRecord, IdSource, Tier, Verdict, WouldBe};

/// Appends a record and a line feed.
pub(super) fn write_line(record: &DecisionRecord<'_>, line: &mut Vec<u8>) {
    // Named one by one: a new field of a record is an error here until it is written.
    let DecisionRecord {
        time,
        tier,
        decision_id,
        id_from,
        verdict,
        status,
        reason,
        detail,
        would,
        route,
        mode,
        class,
        pool,
        method,
        host,
        path,
        client_ip,
        subject,
        groups,
        kid,
        service,
        environment,
        policy,
        edge_policy,
        list_generation,
        list_fault,
        origin_status,
        micros,
    } = record;
    text(line, r#"{"time":"#, time);
    word(line, r#","tier":"#, tier_word(*tier));
    text(line, r#","decision_id":"#, decision_id);
    word(line, r#","id_from":"#, id_source_word(*id_from));
    word(line, r#","verdict":"#, verdict_word(*verdict));
    number(line, r#","status":"#, status.map(u64::from));
    text(line, r#","reason":"#, reason);
    maybe(line, r#","detail":"#, detail.as_ref());
    would_be(line, would.as_ref());
    maybe(line, r#","route":"#, route.as_ref());
    maybe(line, r#","mode":"#, mode.as_ref());
    maybe(line, r#","class":"#, class.as_ref());
    maybe(line, r#","pool":"#, pool.as_ref());
    maybe(line, r#","method":"#, method.as_ref());
    maybe(line, r#","host":"#, host.as_ref());
    maybe(line, r#","path":"#, path.as_ref());
    if let Some(client_ip) = client_ip {
        address(line, r#","client_ip":"#, *client_ip);
    }
    maybe(line, r#","subject":"#, subject.as_ref());
    for (index, group) in groups.iter().enumerate() {
        text(line, if index == 0 { r#","groups":["# } else { "," }, group.as_str());
    }
    if !groups.is_empty() {
        line.push(b']');
    }
    maybe(line, r#","kid":"#, kid.as_ref());
    maybe(line, r#","service":"#, service.as_ref());
    maybe(line, r#","environment":"#, environment.as_ref());
    maybe(line, r#","policy":"#, policy.as_ref());
    maybe(line, r#","edge_policy":"#, edge_policy.as_ref());
    number(line, r#","list_generation":"#, *list_generation);
    maybe(line, r#","list_fault":"#, list_fault.as_ref());
    number(line, r#","origin_status":"#, origin_status.map(u64::from));
    number(line, r#","micros":"#, Some(*micros));
    line.extend_from_slice(b"}\n");
}

fn would_be(line: &mut Vec<u8>, would: Option<&WouldBe<'_>>) {
    let Some(WouldBe { verdict, status, reason, detail }) = would else { return };
    word(line, r#","would":{"verdict":"#, verdict_word(*verdict));
    number(line, r#","status":"#, Some((*status).into()));
    text(line, r#","reason":"#, reason);
    text(line, r#","detail":"#, detail);
    line.push(b'}');
}

const fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::Edge => "edge",
        Tier::Agent => "agent",
    }
}

const fn id_source_word(source: IdSource) -> &'static str {
    match source {
        IdSource::Assertion => "assertion",
        IdSource::Haproxy => "haproxy",
        IdSource::Edge => "edge",
    }
}

const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    }
}

/// A field of text, which may hold anything that somebody sent.
fn text(line: &mut Vec<u8>, before: &str, text: &str) {
    line.extend_from_slice(before.as_bytes());
    if is_plain(text.as_bytes()) {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
    } else {
        // A text can always be written into memory.
        let _ = serde_json::to_writer(line, text);
    }
}

/// A field that is left out where there is no text.
fn maybe(line: &mut Vec<u8>, before: &str, field: Option<&Cow<'_, str>>) {
    if let Some(field) = field {
        text(line, before, field);
    }
}

/// A field of our own words, which need no escape.
fn word(line: &mut Vec<u8>, before: &str, word: &'static str) {
    line.extend_from_slice(before.as_bytes());
    line.push(b'"');
    line.extend_from_slice(word.as_bytes());
    line.push(b'"');
}

fn number(line: &mut Vec<u8>, before: &str, number: Option<u64>) {
    if let Some(number) = number {
        line.extend_from_slice(before.as_bytes());
        digits(line, number);
    }
}

fn address(line: &mut Vec<u8>, before: &str, address: IpAddr) {
    line.extend_from_slice(before.as_bytes());
    line.push(b'"');
    match address {
        IpAddr::V4(v4) => {
            for (index, octet) in v4.octets().into_iter().enumerate() {
                line.extend_from_slice(if index == 0 { b"" } else { b"." });
                digits(line, octet.into());
            }
        }
        IpAddr::V6(v6) => {
            let _ = write!(line, "{v6}");
        }
    }
    line.push(b'"');
}

/// Numbers stand in every record, and `write!` takes several times as long.
fn digits(line: &mut Vec<u8>, mut number: u64) {
    let mut text = [b'0'; 20];
    let mut used = 0;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(text.get(text.len() - used..).unwrap_or_default());
}

/// Whether JSON writes a text as it is. Without a way out at the first odd byte, so that the compiler
/// looks at many bytes at once.
fn is_plain(text: &[u8]) -> bool {
    !text.iter().fold(false, |odd, &byte| odd | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}

#[cfg(test)]
mod tests {
    use super::write_line;
    use countersign_contract::name::GroupName;
    use countersign_contract::record::{DecisionRecord, IdSource, Tier, Verdict, WouldBe};
    use proptest::option::of;
    use proptest::prelude::*;

    /// Every character there is, those that JSON escapes oftener than their share.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{0,12}", "[\"\\\\\u{0}-\u{1f}\u{7f}a/é\u{2028}]{0,12}"]
    }

    fn groups() -> impl Strategy<Value = Vec<GroupName>> {
        let name = "[a-z\"\\\\é]{1,8}".prop_map(|text| text.parse().unwrap());
        proptest::collection::vec(name, 0..4)
    }

    fn would() -> impl Strategy<Value = Option<WouldBe<'static>>> {
        of((any::<u16>(), texts(), texts()).prop_map(|(status, reason, detail)| WouldBe {
            verdict: Verdict::Deny,
            status,
            reason: reason.into(),
            detail: detail.into(),
        }))
    }

    fn words() -> impl Strategy<Value = (Tier, IdSource, Verdict)> {
        (
            prop_oneof![Just(Tier::Edge), Just(Tier::Agent)],
            prop_oneof![Just(IdSource::Assertion), Just(IdSource::Haproxy), Just(IdSource::Edge)],
            prop_oneof![Just(Verdict::Allow), Just(Verdict::Deny)],
        )
    }

    fn numbers() -> impl Strategy<Value = (Option<u16>, Option<u64>, Option<u16>, u64)> {
        any::<(Option<u16>, Option<u64>, Option<u16>, u64)>()
    }

    proptest! {
        #[test]
        fn a_line_is_what_serde_json_writes(
            required in proptest::array::uniform3(texts()),
            optional in proptest::array::uniform15(of(texts())),
            client_ip in any::<Option<std::net::IpAddr>>(),
            groups in groups(),
            would in would(),
            (tier, id_from, verdict) in words(),
            (status, list_generation, origin_status, micros) in numbers(),
        ) {
            let [time, decision_id, reason] = required.map(Into::into);
            let [
                detail, route, mode, class, pool, method, host, path, subject, kid, service, environment,
                policy, edge_policy, list_fault,
            ] = optional.map(|text| text.map(Into::into));
            let record = DecisionRecord {
                time, tier, decision_id, id_from, verdict, status, reason, detail, would, route, mode, class,
                pool, method, host, path, client_ip, subject, groups: groups.into(), kid, service,
                environment, policy, edge_policy, list_generation, list_fault, origin_status, micros,
            };
            let mut line = b"before".to_vec();
            write_line(&record, &mut line);
            prop_assert_eq!(
                String::from_utf8(line).unwrap(),
                format!("before{}\n", serde_json::to_string(&record).unwrap())
            );
        }
    }
}
