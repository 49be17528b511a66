//! What a Describe call is asked: the same questions for every type.

use crate::marker::{LINEAGE, TOKEN};
use aws_sdk_ec2::types::Filter;
use model::Value;

/// Which objects.
#[derive(Clone, Debug)]
pub(crate) enum Query {
    /// Those with these ids. One that does not exist fails the call, which then names it.
    Ids(Vec<String>),
    /// Those whose marker has this lineage and one of these tokens.
    Marked { lineage: String, tokens: Vec<String> },
    /// Those whose marker has this lineage.
    Owned(String),
    /// Those that these filters let through: names and values.
    Filters(Vec<(String, Vec<String>)>),
    /// For types without ids and tags of their own: what is as these arguments say.
    Alike(Value),
}

/// Objects a page at most, where pages are asked for.
const PAGE: i32 = 1_000;

impl Query {
    /// The ids, if it goes by them.
    pub(crate) fn ids(&self) -> Option<Vec<String>> {
        match self {
            Self::Ids(ids) => Some(ids.clone()),
            _ => None,
        }
    }

    /// The filters, if it goes by them.
    pub(crate) fn filters(&self) -> Option<Vec<Filter>> {
        let tag = |key: &str, values: &[String]| {
            filter(&format!("tag:{key}"), values.iter().map(String::as_str))
        };
        match self {
            Self::Ids(_) | Self::Alike(_) => None,
            Self::Marked { lineage, tokens } => {
                Some(vec![tag(LINEAGE, std::slice::from_ref(lineage)), tag(TOKEN, tokens)])
            }
            Self::Owned(lineage) => Some(vec![tag(LINEAGE, std::slice::from_ref(lineage))]),
            Self::Filters(filters) => Some(
                filters
                    .iter()
                    .map(|(name, values)| filter(name, values.iter().map(String::as_str)))
                    .collect(),
            ),
        }
    }

    /// How many objects a page has; none where ids are asked for, which allows no pages.
    pub(crate) fn page(&self) -> Option<i32> {
        match self {
            Self::Ids(_) => None,
            _ => Some(PAGE),
        }
    }
}

/// A filter with values of which one must fit.
pub(crate) fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    let values = values.into_iter().map(str::to_owned).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// All pages of a Describe call. `$ids` is the builder's setter of ids, `$items` the field of the answer.
macro_rules! pages {
    ($session:expr, $query:expr, $api:literal, $operation:ident, $ids:ident, $items:ident) => {{
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let asking = $session
                .ec2()
                .await?
                .$operation()
                .$ids($query.ids())
                .set_filters($query.filters())
                .set_max_results($query.page())
                .set_next_token(next.take());
            let page = $session.call($api, asking.send()).await?;
            all.extend(page.$items.unwrap_or_default());
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break all;
            }
        }
    }};
}
pub(crate) use pages;
