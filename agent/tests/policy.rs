//! The policy's language: what is accepted, what is refused and where, and what it decides.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use countersign::policy::Policy;

const GOOD: &str = r#"version = 1

[roles.engineer]
groups = ["engineering"]
permissions = ["api.use"]

[[route]]
name = "api"
hosts = ["www.example.test"]
path = "/api/**"
permission = "api.use"
pool = "api"

[[route]]
name = "static"
hosts = ["www.example.test"]
path = "/static/**"
class = "public"
pool = "web"
"#;

/// Everything that is wrong, as `line:column: message`.
fn faults(text: &str) -> Vec<String> {
    Policy::parse(text).expect_err("the policy is refused").to_string().lines().map(str::to_owned).collect()
}

#[test]
fn what_is_left_out_is_the_safe_one() {
    use countersign_contract::route::{Class, Identity, Mode};
    let policy = Policy::parse(GOOD).unwrap();
    let [api, public] = policy.routes().routes() else { panic!("two routes") };
    assert_eq!((api.class, api.mode, api.identity), (Class::Private, Mode::Enforce, Identity::Required));
    assert_eq!((public.class, public.identity), (Class::Public, Identity::Optional));
}

#[test]
fn bots_are_any_unless_the_route_says_otherwise() {
    use countersign_contract::route::Bots;
    let with =
        |line: &str| Policy::parse(&GOOD.replace("pool = \"web\"", &format!("pool = \"web\"\n{line}")));
    let bots = |policy: &Policy| policy.routes().routes().iter().map(|route| route.bots).collect::<Vec<_>>();
    let silent = with("").unwrap();
    assert_eq!(bots(&silent), [Bots::Any, Bots::Any]);
    assert_eq!(with("bots = \"any\"").unwrap().digest(), silent.digest());
    for (word, last) in [("verified", Bots::Verified), ("none", Bots::None)] {
        let said = with(&format!("bots = \"{word}\"")).unwrap();
        assert_eq!(bots(&said), [Bots::Any, last]);
        assert_ne!(said.digest(), silent.digest());
    }
    let odd = with("bots = \"some\"").unwrap_err().to_string();
    assert!(
        odd.contains("`bots` of route `static` is `some`: expected one of `any`, `verified`, `none`"),
        "{odd}"
    );
}

#[test]
fn every_fault_is_reported_at_once_with_its_place() {
    let text = r#"version = 2
colour = "blue"

[roles.engineer]
groups = ["engineering", "engineering", "a,b"]
permision = ["api.use"]

[[route]]
name = "api"
hosts = []
path = "/api/../x"
mode = "enforced"
permission = "api.use"
pool = "API"

[[route]]
name = "api"
hosts = ["WWW.example.test", 7]
path = "/b"
pool = "web"
"#;
    assert_eq!(
        faults(text),
        [
            "1:11: `version` is `2`: expected 1",
            "2:1: unknown key `colour` in the policy: expected one of `version`, `roles`, `experiments`, `route`",
            "4:8: role `engineer` has no `permissions`",
            "5:26: `groups` of role `engineer` lists it twice",
            "5:41: `groups` of role `engineer`: `a,b` is not a group name: expected 1 to 128 bytes, no comma, no control character, no space at either end",
            "6:1: unknown key `permision` in role `engineer`: expected one of `groups`, `permissions`",
            "10:9: `hosts` of route `api` is empty: expected at least one host",
            "11:8: `path` of route `api`: `/api/../x` is not a path pattern: dot segment at offset 5",
            "12:8: `mode` of route `api` is `enforced`: expected one of `enforce`, `observe`, `off`",
            "14:8: `pool` of route `api`: `API` is not a pool name: expected 1 to 40 of `a-z0-9-_`",
            "18:10: `hosts` of route `api`: `WWW.example.test` is not a host pattern: expected a host name like `www.example.com`, or `*.example.com`, without a port",
            "18:30: `hosts` of route `api` is of type integer: expected a string",
        ]
    );
}

#[test]
fn syntax_errors_have_their_place_too() {
    let lines = faults("version = 1\n[[route]\nname = \"x\"\npool = \n");
    assert!(lines.iter().any(|line| line.starts_with("2:")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("4:")), "{lines:?}");
}

#[test]
fn contradictions_are_refused() {
    for (change, place_and_message) in [
        (
            ("class = \"public\"", "class = \"public\"\nidentity = \"required\""),
            "19:12: route `static` is public and its `identity`",
        ),
        (
            ("class = \"public\"", "class = \"public\"\npermission = \"api.use\""),
            "19:14: route `static` is public and has `permission`",
        ),
        (
            ("class = \"public\"", "class = \"public\"\nreplay = \"once\""),
            "19:10: route `static` is public and its `replay`",
        ),
        (
            ("permission = \"api.use\"", "permission = \"api.use\"\nidentity = \"optional\""),
            "11:14: route `api` has a `permission`",
        ),
        (
            ("permission = \"api.use\"", "permission = \"api.sue\""),
            "11:14: route `api` asks for permission `api.sue`, which no role gives",
        ),
        (("/static/**", "/api/**"), "17:8: routes `api` and `static` have a host and a path in common"),
        (("name = \"static\"", "name = \"api\""), "14:1: there are two routes `api`"),
    ] {
        let lines = faults(&GOOD.replacen(change.0, change.1, 1));
        assert!(
            lines.iter().any(|line| line.starts_with(place_and_message)),
            "{place_and_message}: {lines:?}"
        );
    }
    assert_eq!(
        faults("version = 1\n"),
        ["1:1: the policy has no `[[route]]`: every request would be refused"]
    );
}

#[test]
fn the_digest_changes_with_what_the_policy_means_and_not_with_how_it_is_written() {
    let digest = |text: &str| Policy::parse(text).unwrap().digest().clone();
    assert_eq!(
        digest(GOOD),
        digest(&format!("# a comment\n{}", GOOD.replace("[\"engineering\"]", "[ 'engineering' ]")))
    );
    assert_ne!(digest(GOOD), digest(&GOOD.replace("pool = \"web\"", "pool = \"api\"")));
    assert_ne!(digest(GOOD), digest(&GOOD.replace("[\"engineering\"]", "[\"engineers\"]")));
    assert_eq!(Policy::parse(GOOD).unwrap().for_edge().digest, digest(GOOD));
}

#[test]
fn any_text_is_answered_without_a_panic() {
    let mut runner = proptest::test_runner::TestRunner::default();
    let pieces = "(\\[\\[route\\]\\]|\\[roles\\.x\\]|name|hosts|path|=|\"|\\[|\\]|\\{|\\}|/\\*\\*|\n|\u{e9}|1|,|#| ){0,60}";
    runner
        .run(&pieces, |text| {
            let _ = Policy::parse(&text);
            Ok(())
        })
        .unwrap();
}

/// [`GOOD`] with keys more in its first, private route.
fn with_keys(keys: &str) -> String {
    GOOD.replace("pool = \"api\"", &format!("pool = \"api\"\n{keys}"))
}

/// The only fault of the policy, without its place.
fn fault(text: &str) -> String {
    let all = faults(text);
    let [only] = all.as_slice() else { panic!("one fault, got {all:?}") };
    only.splitn(3, ':').nth(2).unwrap().trim().to_owned()
}

#[test]
fn a_rate_counts_in_windows_that_the_edge_can_count_in() {
    use countersign_contract::route::RateKey;
    let text = with_keys(
        "rate = { requests = 600, seconds = 60, by = \"address\", penalty_seconds = 120 }\n\
         bot_rate = { requests = 60, seconds = 10 }",
    );
    let policy = Policy::parse(&text).unwrap();
    let route = policy.routes().routes().first().unwrap();
    let (rate, of_bots) = (route.rate.unwrap(), route.bot_rate.unwrap());
    assert_eq!((rate.requests.get(), rate.seconds.get(), rate.by), (600, 60, RateKey::Address));
    assert_eq!(rate.penalty_seconds.unwrap().get(), 120);
    assert_eq!((of_bots.requests.get(), of_bots.seconds.get(), of_bots.by), (60, 10, RateKey::Subject));
    for (odd, said) in [
        ("rate = 5", "`rate` of route `api` is of type integer: expected a table"),
        ("rate = { requests = 5, seconds = 10 }", "`rate` of route `api` has no `by`"),
        (
            "rate = { requests = 0, seconds = 10, by = \"subject\" }",
            "`requests` of `rate` of route `api`: 0 is no number of requests: expected 1 to 1000000",
        ),
        (
            "rate = { requests = 5, seconds = 15, by = \"subject\" }",
            "`seconds` of `rate` of route `api`: 15 seconds can't be counted in: expected 1, 10, 20, 30, 40, 50 or 60",
        ),
        (
            "rate = { requests = 5, seconds = 10, by = \"subject\", penalty_seconds = 90 }",
            "`penalty_seconds` of `rate` of route `api`: 90 seconds is no penalty: expected whole minutes, 60 to 3600",
        ),
        (
            "bot_rate = { requests = 5, seconds = 10, by = \"address\" }",
            "unknown key `by` in `bot_rate` of route `api`: expected one of `requests`, `seconds`, `penalty_seconds`",
        ),
    ] {
        assert_eq!(fault(&with_keys(odd)), said);
    }
}

#[test]
fn an_experiment_names_its_arms_and_routes_give_them_pools() {
    let experiment = "[experiments.checkout]\narms = { control = 90, canary = 10 }\n\n[roles.engineer]";
    let with = |keys: &str| with_keys(keys).replace("[roles.engineer]", experiment);
    let text = with("experiment = \"checkout\"\narm_pools = { canary = \"api-next\" }");
    let policy = Policy::parse(&text).unwrap();
    assert_ne!(policy.digest(), Policy::parse(GOOD).unwrap().digest());
    let edge = policy.for_edge();
    assert_eq!(edge.experiments.values().next().unwrap().arms.len(), 2);
    assert_eq!(edge.routes.first().unwrap().arm_pools.len(), 1);
    assert_eq!(
        fault(&with("experiment = \"search\"")),
        "`experiment` of route `api` is not among `experiments`"
    );
    assert_eq!(
        fault(&with("experiment = \"checkout\"\narm_pools = { late = \"api-next\" }")),
        "`arm_pools` of route `api` names arm `late`, which the route's `experiment` doesn't have"
    );
    assert_eq!(
        fault(&text.replace("control = 90, canary = 10", "control = 0, canary = 0")),
        "`arms` of experiment `checkout` leave nobody an arm: expected at least one share above 0"
    );
    assert_eq!(
        fault(&text.replace("control = 90", "control = 10001")),
        "a share of `arms` of experiment `checkout` is 10001: expected 0 to 10000"
    );
}

#[test]
fn pages_of_other_origins_are_let_in_by_name() {
    let text = with_keys(
        "cors = { origins = [\"https://app.example.test\"], headers = [\"x-trace\"], credentials = \"include\" }",
    );
    let policy = Policy::parse(&text).unwrap();
    let cors = policy.routes().routes().first().unwrap().cors.clone().unwrap();
    assert!(cors.allows(b"https://app.example.test"));
    assert_eq!(cors.max_age_seconds, 600);
    for (odd, said) in [
        (
            "cors = { origins = [] }",
            "`origins` of `cors` of route `api` is empty: expected at least one, or [\"*\"]",
        ),
        (
            "cors = { origins = [\"*\"], credentials = \"include\" }",
            "`cors` of route `api` includes credentials for every origin: any page could act as whoever is signed \
             in; list the origins",
        ),
        (
            "cors = { origins = [\"*\"], max_age_seconds = 90000 }",
            "`max_age_seconds` of `cors` of route `api` is 90000: expected at most 86400",
        ),
    ] {
        assert_eq!(fault(&with_keys(odd)), said);
    }
    let odd = fault(&with_keys("cors = { origins = [\"app.example.test\"] }"));
    assert!(odd.contains("`app.example.test` is no origin: expected `https://`"), "{odd}");
}

#[test]
fn public_is_said_of_a_prefix_alone() {
    for (path, is_one) in
        [("/static/**", true), ("/logo.svg", true), ("/", true), ("/*/logo.svg", false), ("/static/*", false)]
    {
        let text = GOOD.replace("/static/**", path);
        assert_eq!(Policy::parse(&text).is_ok(), is_one, "{path}");
        if !is_one {
            assert!(
                fault(&text)
                    .starts_with("route `static` is public and its `path` has a `*`: expected a prefix")
            );
        }
    }
}

#[test]
fn public_answers_are_the_same_for_everybody() {
    for (key, why) in [
        ("bot_pool = \"bots\"", "nobody is identified there"),
        ("bot_rate = { requests = 5, seconds = 10 }", "nobody is identified there"),
        ("rate = { requests = 5, seconds = 10, by = \"subject\" }", "nobody is identified there"),
        ("upgrade = \"websocket\"", "its answers are the same for everybody"),
        ("experiment = \"none\"", "its answers are the same for everybody"),
        ("experiment = \"checkout\"", "its answers are the same for everybody"),
        (
            "cors = { origins = [\"https://app.example.test\"], credentials = \"include\" }",
            "nobody is identified there",
        ),
    ] {
        let experiments =
            "[experiments]\nnone = { arms = { a = 1 } }\ncheckout = { arms = { a = 1 } }\n\n[roles";
        let good = GOOD.replace("[roles", experiments);
        let odd = fault(&good.replace("pool = \"web\"", &format!("pool = \"web\"\n{key}")));
        assert!(odd.contains("public") && odd.contains(why), "{odd}");
    }
}
