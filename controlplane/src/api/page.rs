//! Lists of the REST API, in pages: each says where the next begins. Pure.

use axum::extract::{FromRequestParts, Query};
use form_urlencoded::Serializer;
use http::request::Parts;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::problem::{Kind, Problem};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Page<T> {
    /// What it holds, in the order that was asked for.
    pub(crate) items: Vec<T>,
    /// Where the next page begins, for `cursor`; none when this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// How many there are in all pages.
    pub(crate) total: usize,
}

/// What a list is asked for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// How many items a page holds, 1 to 1,000; default 100.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) limit: Option<usize>,
    /// Where the page begins: `next` of the one before.
    pub(crate) cursor: Option<String>,
    /// Which field orders the items; with `-` in front the last comes first. Default: the first of them.
    pub(crate) sort: Option<String>,
    /// What an item must contain, in any of its texts, whatever the case.
    pub(crate) q: Option<String>,
}

/// The query of a list: what every list has, and what narrows this one.
pub(crate) struct Asked<F>(pub(crate) Ask, pub(crate) F);

impl<F, S> FromRequestParts<S> for Asked<F>
where
    F: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(parts.uri.query().unwrap_or_default())
    }
}

impl<F: DeserializeOwned> Asked<F> {
    fn read(query: &str) -> Result<Self, Problem> {
        let (common, own) = (names::<Ask>(), names::<F>());
        let mut parts = [common, own].map(|names| (names, Serializer::new(String::new())));
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let whose = parts.iter_mut().find(|(names, _)| names.contains(&&*name));
            let Some((_, query)) = whose else {
                let known = [common, own].concat().join(", ");
                let detail = format!("there is no parameter '{name}'; there are {known}");
                return Err(Problem::new(Kind::BadRequest, detail));
            };
            query.append_pair(&name, &value);
        }
        let [mut ask, mut filter] = parts.map(|(_, query)| query);
        Ok(Self(parsed(&ask.finish())?, parsed(&filter.finish())?))
    }
}

fn parsed<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let uri = format!("/?{query}").parse();
    let uri = uri.map_err(|_| Problem::new(Kind::BadRequest, "the query is too long"))?;
    let parsed = Query::try_from_uri(&uri);
    let Query(parsed) =
        parsed.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    Ok(parsed)
}

/// The names of a struct's fields, as they are read.
fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Looks<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Looks<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(Self::Error::custom("only looked"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(Self::Error::custom("no struct"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut names: &'static [&'static str] = &[];
    // It never reads anything.
    drop(T::deserialize(Looks(&mut names)));
    names
}

/// A number as a text that is ordered like it.
pub(crate) fn padded(number: impl Into<u64>) -> String {
    format!("{:020}", number.into())
}

/// One item on its way into a list.
pub(crate) struct Listed<T> {
    /// Its id, which tells items apart that are alike in the field that orders them.
    pub(crate) id: String,
    /// What it is found by.
    pub(crate) texts: Vec<String>,
    pub(crate) item: T,
}

/// Fields that a list can be ordered by, with what orders an item. The first is the order of a list for
/// which none was asked.
pub(crate) type Orders<T> = &'static [(&'static str, Order<T>)];
/// What orders an item.
type Order<T> = fn(&T) -> String;

impl Ask {
    /// The page that was asked for, of all items.
    ///
    /// # Errors
    /// A limit out of range, an unknown field, a cursor that is of no list.
    pub(crate) fn page<T>(
        &self,
        items: impl IntoIterator<Item = Listed<T>>,
        orders: Orders<T>,
    ) -> Result<Page<T>, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let detail = format!("limit is 1 to {MAX_LIMIT}, not {limit}");
            return Err(Problem::new(Kind::BadRequest, detail));
        }
        let (order, backwards) = self.order(orders)?;
        let after = self.cursor.as_deref().map(Position::read).transpose()?;
        let wanted = self.q.as_deref().map(str::to_lowercase);
        let matches = |one: &Listed<T>| {
            wanted.as_deref().is_none_or(|wanted| {
                let mut texts = one.texts.iter();
                texts.any(|text| text.to_lowercase().contains(wanted))
            })
        };
        let mut found: Vec<(Position, T)> = items
            .into_iter()
            .filter(matches)
            .map(|one| {
                let key = order.map_or_else(String::new, |of| of(&one.item));
                (Position { key, id: one.id }, one.item)
            })
            .collect();
        let total = found.len();
        found.sort_by(|(a, _), (b, _)| match backwards {
            true => b.cmp(a),
            false => a.cmp(b),
        });
        let is_left = |position: &Position| {
            after.as_ref().is_none_or(|after| match backwards {
                true => position < after,
                false => position > after,
            })
        };
        let mut left = found.into_iter().filter(|(at, _)| is_left(at)).peekable();
        let mut items = Vec::with_capacity(limit.min(total));
        let mut last = None;
        while items.len() < limit
            && let Some((position, item)) = left.next()
        {
            items.push(item);
            last = Some(position);
        }
        let next = left.peek().and(last).map(|position| position.written());
        Ok(Page { items, next, total })
    }

    fn order<T>(&self, orders: Orders<T>) -> Result<(Option<Order<T>>, bool), Problem> {
        let Some(sort) = self.sort.as_deref() else {
            return Ok((orders.first().map(|(_, of)| *of), false));
        };
        let (name, backwards) = match sort.strip_prefix('-') {
            Some(name) => (name, true),
            None => (sort, false),
        };
        match orders.iter().find(|(known, _)| *known == name) {
            Some((_, of)) => Ok((Some(*of), backwards)),
            None => {
                let known: Vec<&str> = orders.iter().map(|(name, _)| *name).collect();
                let known = known.join(", ");
                let detail = format!("sort is one of: {known}; not '{name}'");
                Err(Problem::new(Kind::BadRequest, detail))
            }
        }
    }
}

/// Where an item stands in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Position {
    key: String,
    id: String,
}

impl Position {
    /// As a cursor. What is in it is nobody's business, and no secret.
    fn written(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        data_encoding::BASE64URL_NOPAD.encode(&json)
    }

    fn read(cursor: &str) -> Result<Self, Problem> {
        let octets = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes());
        let position = octets
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok());
        position.ok_or_else(|| {
            let detail = "the cursor is none of a list; take 'next' of the page before as it is";
            Problem::new(Kind::BadRequest, detail)
        })
    }
}

const DEFAULT_LIMIT: usize = 100;
/// The most items of a page.
pub(crate) const MAX_LIMIT: usize = 1_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORDERS: Orders<(String, u32)> = &[
        ("id", |one| one.0.clone()),
        ("port", |one| format!("{:05}", one.1)),
    ];

    fn listed(items: &[(String, u32)]) -> impl Iterator<Item = Listed<(String, u32)>> {
        items.iter().map(|one| Listed {
            id: one.0.clone(),
            texts: vec![one.0.clone(), one.1.to_string()],
            item: one.clone(),
        })
    }

    fn items() -> Vec<(String, u32)> {
        [("c", 3), ("a", 1), ("d", 1), ("b", 2)]
            .map(|(id, port)| (id.to_owned(), port))
            .to_vec()
    }

    fn ids(ask: &Ask) -> (String, Option<String>, usize) {
        let page = ask.page(listed(&items()), ORDERS).unwrap();
        let ids = page.items.iter().map(|one| one.0.as_str()).collect();
        (ids, page.next, page.total)
    }

    #[test]
    fn lists_are_ordered_filtered_and_cut() {
        for (sort, q, limit, want, more, total) in [
            (None, None, None, "abcd", false, 4),
            (Some("-id"), None, None, "dcba", false, 4),
            (Some("port"), None, None, "adbc", false, 4),
            (Some("-port"), None, None, "cbda", false, 4),
            (None, Some("1"), None, "ad", false, 2),
            (None, Some("A"), None, "a", false, 1),
            (None, Some("x"), None, "", false, 0),
            (None, None, Some(3), "abc", true, 4),
            (None, None, Some(4), "abcd", false, 4),
        ] {
            let ask = Ask {
                limit,
                cursor: None,
                sort: sort.map(str::to_owned),
                q: q.map(str::to_owned),
            };
            let (got, next, all) = ids(&ask);
            assert_eq!(
                (got.as_str(), next.is_some(), all),
                (want, more, total),
                "{ask:?}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (ask, says) in [
            (
                Ask {
                    limit: Some(0),
                    ..Ask::default()
                },
                "limit is 1 to 1000, not 0",
            ),
            (
                Ask {
                    limit: Some(1_001),
                    ..Ask::default()
                },
                "not 1001",
            ),
            (
                Ask {
                    sort: Some("nope".to_owned()),
                    ..Ask::default()
                },
                "one of: id, port",
            ),
            (
                Ask {
                    cursor: Some("nope".to_owned()),
                    ..Ask::default()
                },
                "the cursor is none",
            ),
        ] {
            let problem = ask.page(listed(&items()), ORDERS).unwrap_err();
            assert_eq!(problem.kind(), Kind::BadRequest);
            let text = serde_json::to_string(&problem).unwrap();
            assert!(text.contains(says), "{text}");
        }
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Which {
        port: Option<u16>,
        name: Option<String>,
    }

    #[test]
    fn a_query_has_what_every_list_has_and_what_is_this_ones() {
        let Asked(ask, which) =
            Asked::<Which>::read("port=18&limit=7&name=a%26b&sort=-id").unwrap();
        assert_eq!((ask.limit, ask.sort.as_deref()), (Some(7), Some("-id")));
        assert_eq!((which.port, which.name.as_deref()), (Some(18), Some("a&b")));
        for (query, says) in [
            (
                "prot=1",
                "no parameter 'prot'; there are limit, cursor, sort, q, port, name",
            ),
            ("port=70000", "port"),
            ("limit=x", "limit"),
            ("port=1&port=2", "duplicate field `port`"),
        ] {
            let problem = Asked::<Which>::read(query).err().unwrap();
            assert_eq!(problem.kind(), Kind::BadRequest);
            let text = serde_json::to_string(&problem).unwrap();
            assert!(text.contains(says), "{query}: {text}");
        }
    }

    proptest! {
        #[test]
        fn page_by_page_gives_all_once(
            items in prop::collection::btree_map("[a-c]{1,3}", 0_u32..3, 0..30),
            limit in 1_usize..7,
            sort in prop::sample::select(vec!["id", "-id", "port", "-port"]),
        ) {
            let items: Vec<(String, u32)> = items.into_iter().collect();
            let mut ask = Ask { sort: Some(sort.to_owned()), ..Ask::default() };
            let whole = ask.page(listed(&items), ORDERS).unwrap().items;
            ask.limit = Some(limit);
            let mut parts = Vec::new();
            loop {
                let page = ask.page(listed(&items), ORDERS).unwrap();
                prop_assert!(page.items.len() <= limit && page.total == items.len());
                parts.extend(page.items);
                match page.next {
                    Some(next) => ask.cursor = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(parts, whole);
        }
    }
}
