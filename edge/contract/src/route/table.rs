//! The table of routes: finds the one that decides.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use thiserror::Error;

use super::Route;
use super::pattern::{End, HostPattern, MOST_SEGMENTS, MethodName, SegmentPattern};
use crate::canonical::{Authority, Method, NotCanonical, Segment, Target};

/// The routes of a policy, ready for look-up: hosts, then a trie of path segments.
///
/// Exactly one route decides about a request. A host is taken exactly before by suffix, longer
/// suffixes first; a literal segment comes before `*`, and `*` before `**`; a slash at the end counts
/// only where the policy has both spellings. Nothing falls through: once a host is known only its
/// routes count, and once a path pattern is found only its methods.
///
/// A path that some servers would read as that of another route, at least as specific, is refused:
/// see [`NotCanonical::OtherRoute`].
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    exact: HashMap<String, Node>,
    /// Longest suffix first.
    below: Vec<(String, Node)>,
    hosts: Vec<String>,
    /// Whether a pattern holds an upper-case letter.
    mixed_case: bool,
}

/// How literal segments are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Exact,
    Ignored,
}

#[derive(Clone, Debug, Default)]
struct Node {
    // Ordered, so that a look-up without case always meets the same one first.
    literal: BTreeMap<String, Node>,
    any: Option<Box<Node>>,
    here: Vec<RouteIndex>,
    below: Vec<RouteIndex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RouteIndex(usize);

/// Two routes that could both decide about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("routes {first} and {second} have the same host and path and share a method")]
pub struct Overlap {
    /// Position of the earlier one, from 0.
    pub first: usize,
    /// Position of the later one, from 0.
    pub second: usize,
}

/// Why no route decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoRoute {
    /// No route is for this host.
    #[error("no route is for this host")]
    UnknownHost,
    /// No route of this host is for this path.
    #[error("no route is for this path")]
    UnknownPath,
    /// The routes of this path are not for this method.
    #[error("no route of this path is for this method")]
    MethodNotListed,
    /// The target is spelled in a way that the route doesn't allow.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

impl RouteTable {
    /// Builds the table.
    ///
    /// # Errors
    /// Every [`Overlap`]: where two routes could decide, none may.
    pub fn build(routes: Vec<Route>) -> Result<Self, Vec<Overlap>> {
        let mut table = Self::default();
        let mut overlaps = Vec::new();
        let mut below: HashMap<String, Node> = HashMap::new();
        for (index, route) in routes.iter().enumerate() {
            for host in &route.hosts {
                let root = match host {
                    HostPattern::Exact(name) => {
                        if !table.hosts.contains(name) {
                            table.hosts.push(name.clone());
                        }
                        table.exact.entry(name.clone()).or_default()
                    }
                    HostPattern::Below(suffix) => below.entry(suffix.clone()).or_default(),
                };
                let slot = root.slot(route);
                let shares_a_method = |other: &&RouteIndex| {
                    routes.get(other.0).is_some_and(|other| methods_overlap(&other.methods, &route.methods))
                };
                if let Some(first) = slot.iter().find(shares_a_method) {
                    overlaps.push(Overlap { first: first.0, second: index });
                }
                slot.push(RouteIndex(index));
            }
        }
        if !overlaps.is_empty() {
            overlaps.dedup();
            return Err(overlaps);
        }
        table.mixed_case = routes.iter().any(|route| has_upper_case(&route.path.to_string()));
        table.routes = routes;
        table.below = below.into_iter().collect();
        table.below.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Ok(table)
    }

    /// The routes, in the order of the policy.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The hosts that are named exactly.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Finds the route that decides.
    ///
    /// # Errors
    /// [`NoRoute`]: none does. That is never a pass.
    pub fn find(
        &self,
        method: Method<'_>,
        authority: &Authority<'_>,
        target: &Target<'_>,
    ) -> Result<&Route, NoRoute> {
        let host = authority.host();
        let root = self
            .exact
            .get(host)
            .or_else(|| self.below.iter().find(|(suffix, _)| is_below(host, suffix)).map(|(_, node)| node))
            .ok_or(NoRoute::UnknownHost)?;
        let segments = decoded(target.segments());
        let Some(candidates) = root.find(&segments, Case::Exact) else {
            // An odd spelling is the likelier reason why nothing is there.
            target.permitted_by(&[])?;
            return Err(NoRoute::UnknownPath);
        };
        let (index, route) = candidates
            .iter()
            .filter_map(|&index| self.routes.get(index.0).map(|route| (index, route)))
            .find(|(_, route)| {
                route.methods.is_empty() || route.methods.iter().any(|listed| listed.is(method))
            })
            .ok_or(NoRoute::MethodNotListed)?;
        target.permitted_by(&route.allow)?;
        let case_matters = self.mixed_case || has_upper_case(target.path());
        let other = (case_matters && self.reads_as_other(root, &segments, index))
            || target
                .other_readings()
                .iter()
                .any(|reading| self.reads_as_other(root, &decoded(reading.segments()), index));
        if other { Err(NotCanonical::OtherRoute.into()) } else { Ok(route) }
    }

    /// Whether a server that reads these segments, without regard to case, would answer for a path
    /// that other routes decide about, at least as specific as this one.
    fn reads_as_other(&self, root: &Node, reading: &[impl AsRef<str>], index: RouteIndex) -> bool {
        let Some(claimants) = root.find(reading, Case::Ignored) else { return false };
        if claimants.contains(&index) {
            return false;
        }
        let depth = |index: &RouteIndex| self.routes.get(index.0).map(|route| route.path.segments.len());
        claimants.first().and_then(depth) >= depth(&index)
    }
}

/// The segments that a look-up can tell apart: beyond the deepest pattern it matters only whether
/// there are more, and a client can send thousands.
fn decoded<'s>(segments: impl Iterator<Item = Segment<'s>>) -> Vec<Cow<'s, str>> {
    segments.take(MOST_SEGMENTS + 2).map(|segment| segment.decoded()).collect()
}

fn has_upper_case(path: &str) -> bool {
    path.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_below(host: &str, suffix: &str) -> bool {
    host.len() > suffix.len() && host.ends_with(suffix)
}

fn methods_overlap(
    one: &std::collections::BTreeSet<MethodName>,
    other: &std::collections::BTreeSet<MethodName>,
) -> bool {
    one.is_empty() || other.is_empty() || one.intersection(other).next().is_some()
}

impl Node {
    /// Where the routes of this route's path stand, made if it isn't there.
    fn slot(&mut self, route: &Route) -> &mut Vec<RouteIndex> {
        let node = route.path.segments.iter().fold(self, |node, segment| match segment {
            SegmentPattern::Literal(text) => node.literal.entry(text.clone()).or_default(),
            SegmentPattern::Any => node.any.get_or_insert_default(),
        });
        match route.path.end {
            End::Here => &mut node.here,
            End::AnythingBelow => &mut node.below,
        }
    }

    /// The routes of the most specific pattern that matches. Each node is visited at most once,
    /// since it has one depth: the work is bounded by the policy, not by the path.
    fn find(&self, segments: &[impl AsRef<str>], case: Case) -> Option<&[RouteIndex]> {
        let Some((segment, rest)) = segments.split_first() else {
            return self.slot_here(&[&self.here, self.here_with_slash()]);
        };
        let segment = segment.as_ref();
        if segment.is_empty() && rest.is_empty() {
            return self.slot_here(&[self.here_with_slash(), &self.here]);
        }
        let exact = self.literal.get(segment).and_then(|node| node.find(rest, case));
        let folded = || {
            let alike = |(text, _): &(&String, &Node)| text.eq_ignore_ascii_case(segment);
            let mut nodes = self.literal.iter().filter(|_| case == Case::Ignored).filter(alike);
            nodes.find_map(|(_, node)| node.find(rest, case))
        };
        // `*` is one segment with something in it: `/a//b` is not `/a/*/b`.
        let any = || self.any.as_ref().filter(|_| !segment.is_empty()).and_then(|node| node.find(rest, case));
        exact.or_else(folded).or_else(any).or_else(|| self.slot_here(&[]))
    }

    /// The first of `slots` that holds a route, or what is for everything below.
    fn slot_here<'n>(&'n self, slots: &[&'n [RouteIndex]]) -> Option<&'n [RouteIndex]> {
        slots.iter().copied().chain([self.below.as_slice()]).find(|slot| !slot.is_empty())
    }

    /// The routes of this path with a slash behind it.
    fn here_with_slash(&self) -> &[RouteIndex] {
        self.literal.get("").map_or(&[], |node| &node.here)
    }
}
