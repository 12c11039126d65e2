//! Exactly one route decides, and it is the one that a reader of the policy expects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use countersign_contract::canonical::{Allowance, Authority, Method, NotCanonical, Target};
use countersign_contract::route::{HostPattern, NoRoute, PathPattern, Replay, Route, RouteTable};
use proptest::prelude::*;
use serde_json::json;

/// A route that says nothing beside where it is.
fn route(hosts: &[&str], path: &str, methods: &[&str]) -> Route {
    let route = json!({ "name": format!("r{}", path.len()), "hosts": hosts, "path": path, "methods": methods,
        "class": "private", "mode": "enforce", "identity": "required", "pool": "api" });
    serde_json::from_value(route).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn paths(paths: &[&str]) -> RouteTable {
    RouteTable::build(paths.iter().map(|path| route(&["a.test"], path, &[])).collect()).unwrap()
}

/// The host and path of the route that is found.
fn find(table: &RouteTable, method: &str, host: &str, target: &str) -> Result<String, NoRoute> {
    let route = table.find(
        Method::parse(method.as_bytes()).unwrap(),
        &Authority::parse(host.as_bytes()).unwrap(),
        &Target::parse(target.as_bytes()).unwrap_or_else(|e| panic!("{target}: {e}")),
    )?;
    Ok(format!("{}{}", route.hosts[0], route.path))
}

fn path_of(table: &RouteTable, target: &str) -> Result<String, NoRoute> {
    find(table, "GET", "a.test", target).map(|found| found.trim_start_matches("a.test").to_owned())
}

#[test]
fn an_exact_host_comes_before_a_suffix_and_a_longer_suffix_before_a_shorter() {
    let hosts = ["www.a.test", "*.a.test", "*.b.a.test", "a.test"];
    let table = RouteTable::build(hosts.iter().map(|host| route(&[host], "/**", &[])).collect()).unwrap();
    for (host, found) in [
        ("www.a.test", Some("www.a.test")),
        ("WWW.A.TEST:443", Some("www.a.test")),
        ("www.a.test:8443", Some("www.a.test")),
        ("x.a.test", Some("*.a.test")),
        ("x.y.a.test", Some("*.a.test")),
        ("b.a.test", Some("*.a.test")),
        ("x.b.a.test", Some("*.b.a.test")),
        ("a.test", Some("a.test")),
        ("xa.test", None),
        ("a.test.evil.test", None),
        ("www.a.test.evil.test", None),
        ("test", None),
        ("[::1]", None),
    ] {
        let expected = found.map(|found| format!("{found}/**")).ok_or(NoRoute::UnknownHost);
        assert_eq!(find(&table, "GET", host, "/x"), expected, "{host}");
    }
}

#[test]
fn a_host_that_is_named_never_falls_through_to_a_suffix() {
    let table =
        RouteTable::build(vec![route(&["www.a.test"], "/only", &[]), route(&["*.a.test"], "/**", &[])])
            .unwrap();
    assert_eq!(find(&table, "GET", "www.a.test", "/other"), Err(NoRoute::UnknownPath));
    assert_eq!(table.hosts(), ["www.a.test"]);
}

#[test]
fn a_literal_comes_before_one_segment_and_that_before_the_rest() {
    let table = paths(&["/**", "/a/**", "/a/*", "/a/b", "/a/*/c", "/a/b/**", "/a/b/d", "/", "/s/"]);
    for (target, found) in [
        ("/", "/"),
        ("/x", "/**"),
        ("/x/y/z", "/**"),
        ("/a", "/a/**"),
        ("/a/", "/a/**"),
        ("/a/x", "/a/*"),
        ("/a/b", "/a/b"),
        ("/a/b/x", "/a/b/**"),
        ("/a/b/d", "/a/b/d"),
        ("/a/x/c", "/a/*/c"),
        ("/a/x/d", "/a/**"),
        ("/a/x/c/d", "/a/**"),
        // A literal decides even where `*` would go on further.
        ("/a/b/c", "/a/b/**"),
        ("/b/a", "/**"),
        ("/a?b", "/a/**"),
        ("/s/", "/s/"),
    ] {
        assert_eq!(path_of(&table, target), Ok(found.to_owned()), "{target}");
    }
}

#[test]
fn a_dead_end_below_a_literal_goes_back_to_one_segment() {
    let table = paths(&["/a/b/x", "/a/*/c", "/*/b/**"]);
    assert_eq!(path_of(&table, "/a/b/c"), Ok("/a/*/c".to_owned()));
    assert_eq!(path_of(&table, "/a/b/y"), Ok("/*/b/**".to_owned()));
    assert_eq!(path_of(&table, "/a/c/y"), Err(NoRoute::UnknownPath));
}

#[test]
fn everything_below_is_also_the_segment_itself_and_nothing_that_only_begins_like_it() {
    let table = paths(&["/api/**"]);
    for target in ["/api", "/api/", "/api/x", "/api/x/", "/api/x/y/z"] {
        assert_eq!(path_of(&table, target), Ok("/api/**".to_owned()), "{target}");
    }
    for target in ["/apix", "/api-x", "/ap", "/", "/x/api", "/api%20", "/api.json"] {
        assert_eq!(path_of(&table, target), Err(NoRoute::UnknownPath), "{target}");
    }
}

/// Express, Rails, Flask and others answer `/admin/` as `/admin`: the route that is named decides
/// about both, not the wider one around it.
#[test]
fn a_slash_at_the_end_makes_a_difference_only_where_the_policy_says_so() {
    let table = paths(&["/**", "/admin", "/users/*", "/docs/", "/both", "/both/"]);
    for (target, found) in [
        ("/admin", "/admin"),
        ("/admin/", "/admin"),
        ("/users/7", "/users/*"),
        ("/users/7/", "/users/*"),
        ("/users/", "/**"),
        ("/docs/", "/docs/"),
        ("/docs", "/docs/"),
        ("/both", "/both"),
        ("/both/", "/both/"),
        ("/admin/x", "/**"),
    ] {
        assert_eq!(path_of(&table, target), Ok(found.to_owned()), "{target}");
    }
}

/// Servers that compare paths without case (Express by default, IIS) must not be led past a route.
#[test]
fn another_case_never_slips_past_a_route_that_is_as_specific() {
    let table = paths(&["/**", "/admin/**", "/Reports/*"]);
    assert_eq!(path_of(&table, "/admin/x"), Ok("/admin/**".to_owned()));
    assert_eq!(path_of(&table, "/admin/X"), Ok("/admin/**".to_owned()));
    assert_eq!(path_of(&table, "/Reports/x"), Ok("/Reports/*".to_owned()));
    assert_eq!(path_of(&table, "/Other/X"), Ok("/**".to_owned()));
    for target in ["/ADMIN", "/Admin/x", "/reports/x"] {
        assert_eq!(path_of(&table, target), Err(NoRoute::NotCanonical(NotCanonical::OtherRoute)), "{target}");
    }
    let table = paths(&["/users/*", "/users/me"]);
    assert_eq!(path_of(&table, "/users/Bob"), Ok("/users/*".to_owned()));
    assert_eq!(path_of(&table, "/users/ME"), Err(NoRoute::NotCanonical(NotCanonical::OtherRoute)));
    // Where no route is wider there is nothing to slip through.
    assert_eq!(path_of(&paths(&["/admin/**"]), "/ADMIN"), Err(NoRoute::UnknownPath));
}

#[test]
fn a_method_that_is_not_listed_does_not_fall_through() {
    let table = RouteTable::build(vec![
        route(&["a.test"], "/**", &[]),
        route(&["a.test"], "/api/**", &["GET", "POST"]),
        route(&["a.test"], "/api/**", &["DELETE"]),
    ])
    .unwrap();
    assert_eq!(find(&table, "GET", "a.test", "/api/x"), Ok("a.test/api/**".to_owned()));
    assert_eq!(find(&table, "DELETE", "a.test", "/api/x"), Ok("a.test/api/**".to_owned()));
    for method in ["PUT", "get", "HEAD", "OPTIONS"] {
        assert_eq!(find(&table, method, "a.test", "/api/x"), Err(NoRoute::MethodNotListed), "{method}");
    }
    assert_eq!(find(&table, "PUT", "a.test", "/x"), Ok("a.test/**".to_owned()));
}

#[test]
fn what_could_be_decided_by_two_is_an_overlap() {
    let overlap = |routes: Vec<Route>| -> Vec<(usize, usize)> {
        RouteTable::build(routes).err().unwrap_or_default().iter().map(|o| (o.first, o.second)).collect()
    };
    let a = |path, methods| route(&["a.test"], path, methods);
    for (routes, expected) in [
        (vec![a("/x", &[]), a("/x", &[])], vec![(0, 1)]),
        (vec![a("/x", &["GET"]), a("/x", &[])], vec![(0, 1)]),
        (vec![a("/x", &["GET", "PUT"]), a("/x", &["PUT", "POST"])], vec![(0, 1)]),
        (vec![a("/x", &["GET"]), a("/x", &["POST"])], vec![]),
        (vec![a("/x", &["GET"]), a("/x", &["get"])], vec![]),
        (vec![a("/x", &[]), a("/y", &[]), a("/x", &["GET"]), a("/y", &["PUT"])], vec![(0, 2), (1, 3)]),
        // One host twice in one route.
        (vec![route(&["a.test", "a.test"], "/x", &[])], vec![(0, 0)]),
        (vec![route(&["a.test", "b.test"], "/x", &[]), route(&["b.test"], "/x", &[])], vec![(0, 1)]),
        (vec![route(&["*.a.test"], "/x", &[]), route(&["*.a.test"], "/x", &[])], vec![(0, 1)]),
        (vec![route(&["*.a.test"], "/x", &[]), route(&["b.a.test"], "/x", &[])], vec![]),
        (vec![a("/x/*", &[]), a("/x/*", &[])], vec![(0, 1)]),
        (vec![a("/x/**", &[]), a("/x/**", &[])], vec![(0, 1)]),
        // Different patterns that share paths: the more specific one decides.
        (vec![a("/x", &[]), a("/x/**", &[]), a("/x/*", &[]), a("/*/y", &[]), a("/x/", &[])], vec![]),
        // Two spellings of one segment.
        (vec![a("/caf%C3%A9", &[]), a("/caf%c3%a9", &[])], vec![(0, 1)]),
        (vec![a("/a%3Ab", &[]), a("/a:b", &[])], vec![(0, 1)]),
    ] {
        let patterns: Vec<_> = routes.iter().map(|r| r.path.to_string()).collect();
        assert_eq!(overlap(routes), expected, "{patterns:?}");
    }
}

#[test]
fn segments_are_matched_by_what_they_mean() {
    let table = paths(&["/caf%C3%A9/**", "/a%20b", "/x:y", "/star/%2A"]);
    for (target, found) in [
        ("/caf%c3%a9", "/caf%C3%A9/**"),
        ("/caf%C3%A9/x", "/caf%C3%A9/**"),
        ("/a%20b", "/a%20b"),
        ("/x%3Ay", "/x:y"),
        ("/star/*", "/star/%2A"),
        ("/star/%2a", "/star/%2A"),
    ] {
        assert_eq!(path_of(&table, target), Ok(found.to_owned()), "{target}");
    }
    // An encoded star is a star, not a wildcard.
    assert_eq!(path_of(&table, "/star/x"), Err(NoRoute::UnknownPath));
    // The same letter in two code points is another name.
    assert_eq!(path_of(&table, "/cafe%CC%81"), Err(NoRoute::UnknownPath));
}

fn allowing(path: &str, allow: &[Allowance]) -> Route {
    Route { allow: allow.to_vec(), ..route(&["a.test"], path, &[]) }
}

#[test]
fn odd_spellings_pass_only_where_the_route_allows_them() {
    let table = RouteTable::build(vec![
        allowing("/plain/**", &[]),
        allowing("/slash/**", &[Allowance::EncodedSlash]),
        allowing("/semi/**", &[Allowance::Semicolon]),
    ])
    .unwrap();
    for (target, found) in [
        ("/slash/a%2Fb", Ok("/slash/**")),
        ("/semi/a;v=1", Ok("/semi/**")),
        ("/plain/a%2fb", Err(NotCanonical::EncodedSlash)),
        ("/plain/a;b", Err(NotCanonical::Semicolon)),
        ("/plain/a%3bb", Err(NotCanonical::Semicolon)),
        ("/slash/a;b", Err(NotCanonical::Semicolon)),
        ("/semi/a%2Fb", Err(NotCanonical::EncodedSlash)),
        // Not there at all, and oddly spelled: the spelling is the reason to report.
        ("/slash%2Fx", Err(NotCanonical::EncodedSlash)),
        ("/plain;x", Err(NotCanonical::Semicolon)),
    ] {
        let expected = found.map(str::to_owned).map_err(NoRoute::NotCanonical);
        assert_eq!(path_of(&table, target), expected, "{target}");
    }
}

/// An allowance is for what a route holds, not a way around a route inside or beside it.
#[test]
fn an_allowed_spelling_never_slips_past_a_route_that_is_as_specific() {
    let both = [Allowance::EncodedSlash, Allowance::Semicolon];
    let table = RouteTable::build(vec![
        allowing("/**", &both),
        allowing("/files/**", &both),
        allowing("/files/private/**", &[]),
        allowing("/projects/*/issues", &both),
    ])
    .unwrap();
    for (target, found) in [
        ("/files/a%2Fb", Some("/files/**")),
        ("/files/a;v=1", Some("/files/**")),
        ("/projects/group%2Fname/issues", Some("/projects/*/issues")),
        ("/wiki/Who%3F", Some("/**")),
        ("/tag/c%23", Some("/**")),
        ("/files/private%2Fx", None),
        ("/files/private;v=1/x", None),
        ("/files/private%3Bv=1/x", None),
        ("/files/%2Fprivate/x", None),
        ("/files/;v/private/x", None),
        ("/files/private%3Fx", None),
        ("/files/private%23x", None),
        ("/files/PRIVATE%2Fx", None),
        ("/files%2Fprivate/x", None),
        ("/x%2F..x/files", Some("/**")),
        ("/files;v=1/x", None),
    ] {
        let expected = found.map(str::to_owned).ok_or(NoRoute::NotCanonical(NotCanonical::OtherRoute));
        assert_eq!(path_of(&table, target), expected, "{target}");
    }
}

#[test]
fn a_path_far_deeper_than_any_pattern_is_decided_like_a_short_one() {
    let deepest = "/a".repeat(32);
    let table = paths(&[&deepest, &format!("{}/**", "/a".repeat(30)), "/x/**"]);
    let below = format!("{}/**", "/a".repeat(30));
    assert_eq!(path_of(&table, &deepest).as_ref(), Ok(&deepest));
    assert_eq!(path_of(&table, &format!("{deepest}/")).as_ref(), Ok(&deepest));
    for deeper in ["/a", "/a/", "/b/c", "/b/c/d", "/b/c/d/e/", &"/a".repeat(3000)] {
        assert_eq!(path_of(&table, &format!("{deepest}{deeper}")).as_ref(), Ok(&below), "{deeper}");
    }
    assert_eq!(path_of(&table, &"/b".repeat(3000)), Err(NoRoute::UnknownPath));
    // The other reading of a long path is found by its head as well.
    let hidden = format!("/x/y%3F{}", "/a".repeat(3000));
    assert_eq!(path_of(&table, &hidden).as_deref(), Ok("/x/**"));
    let other = format!("/A%3Fb{}", "/a".repeat(3000));
    assert_eq!(path_of(&paths(&["/**", "/a"]), &other), Err(NotCanonical::OtherRoute.into()));
}

#[test]
fn an_empty_name_is_no_segment_of_its_own() {
    let table = RouteTable::build(vec![allowing("/**", &[Allowance::EncodedSlash]), allowing("/a/*/b", &[])])
        .unwrap();
    assert_eq!(path_of(&table, "/a%2F%2Fb"), Ok("/**".to_owned()));
    assert_eq!(path_of(&table, "/a%2Fx%2Fb"), Err(NoRoute::NotCanonical(NotCanonical::OtherRoute)));
}

#[test]
fn patterns_that_mean_nothing_are_refused() {
    for (pattern, says) in [
        ("", "no path"),
        ("api", "does not start with `/`"),
        ("/a/**/b", "only allowed as the last"),
        ("/a*", "a whole segment"),
        ("/***", "a whole segment"),
        ("/a/*b/c", "a whole segment"),
        ("/a?b", "a query"),
        ("/a//b", "empty segment"),
        ("/a/../b", "dot segment"),
        ("/%61", "needless"),
        ("/a b", "control byte"),
    ] {
        let fault = pattern.parse::<PathPattern>().expect_err(pattern).to_string();
        assert!(fault.contains(says), "`{pattern}`: {fault}");
    }
    assert!(format!("/{}", ["a"; 32].join("/")).parse::<PathPattern>().is_ok());
    assert!(format!("/{}", ["a"; 33].join("/")).parse::<PathPattern>().is_err());
    for host in
        ["", "*", "*.", "a.test:80", "A.test", "*.*.test", "a.*.test", "a.test.", "http://a.test", "*a.test"]
    {
        assert!(host.parse::<HostPattern>().is_err(), "{host}");
    }
}

#[test]
fn once_is_for_methods_that_change_something_unless_the_route_says() {
    let replay = |replay, method: &str| {
        Route { replay, ..route(&["a.test"], "/", &[]) }.replay_of(Method::parse(method.as_bytes()).unwrap())
    };
    for (method, expected) in [
        ("GET", Replay::Window),
        ("HEAD", Replay::Window),
        ("OPTIONS", Replay::Window),
        ("POST", Replay::Once),
        ("DELETE", Replay::Once),
        // Not the method that it looks like.
        ("get", Replay::Once),
        ("PURGE", Replay::Once),
    ] {
        assert_eq!(replay(None, method), expected, "{method}");
        assert_eq!(replay(Some(Replay::Once), method), Replay::Once);
        assert_eq!(replay(Some(Replay::Window), method), Replay::Window);
    }
}

/// The rules in the plainest form: of all patterns that match, the first one by segment (a literal,
/// then `*`) and then by end (the same slash, the other slash, then `**`).
fn naive<'p>(patterns: &'p [String], path: &str) -> Option<&'p str> {
    fn parts(text: &str) -> Vec<&str> {
        text.split('/').filter(|part| !part.is_empty()).collect()
    }
    let rank = |pattern: &String| {
        let (mut wanted, given) = (parts(pattern), parts(path));
        let rest = wanted.pop_if(|last| *last == "**").is_some();
        let fits = if rest { given.len() >= wanted.len() } else { given.len() == wanted.len() };
        let all = wanted.iter().zip(&given).all(|(wanted, given)| wanted == given || *wanted == "*");
        (fits && all).then(|| {
            let mut rank: Vec<u8> = wanted.iter().map(|part| u8::from(*part == "*")).collect();
            rank.push(if rest { 4 } else { 2 + u8::from(pattern.ends_with('/') != path.ends_with('/')) });
            rank
        })
    };
    patterns
        .iter()
        .filter_map(|pattern| rank(pattern).map(|rank| (rank, pattern)))
        .min()
        .map(|(_, p)| p.as_str())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_table_agrees_with_the_plain_rules(
        patterns in proptest::collection::btree_set("(/([ab*])){0,3}/([abc*]|\\*\\*)|/|/[ab]/", 1..8),
        path in "(/[abcd]){1,4}/?|/",
    ) {
        let patterns: Vec<String> = patterns.into_iter().collect();
        let refs: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let table = paths(&refs);
        let expected = naive(&patterns, &path).map(str::to_owned).ok_or(NoRoute::UnknownPath);
        prop_assert_eq!(path_of(&table, &path), expected, "{:?} {}", patterns, path);
    }

    #[test]
    fn any_target_is_answered_without_a_panic(target in "/[a-zA-Z%0-9;./?*-]{0,60}", host in "[a-z.:0-9]{1,20}") {
        let table = paths(&["/**", "/a/**", "/*/b"]);
        if let (Ok(authority), Ok(target)) = (Authority::parse(host.as_bytes()), Target::parse(target.as_bytes())) {
            let _ = table.find(Method::parse(b"GET").unwrap(), &authority, &target);
        }
    }
}
