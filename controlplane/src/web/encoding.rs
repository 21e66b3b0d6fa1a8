//! Which form of a file a caller takes: `Accept-Encoding` (RFC 9110 section 12.5.3). Pure.

use http::{HeaderMap, header};

/// A form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
    /// As it is.
    Identity,
}

impl Encoding {
    /// What `Content-Encoding` says of it; nothing of a file as it is.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    /// Gzip has an old name besides (RFC 9110 section 8.4.1.3).
    fn is_called(self, name: &str) -> bool {
        let called = self.name().unwrap_or("identity");
        name.eq_ignore_ascii_case(called)
            || (self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip"))
    }
}

/// The form that the caller likes best: the file as it is, or one of those `packed`, which are in our own
/// order for whoever likes them as well. Who takes none is given the file as it is.
pub(super) fn choose(headers: &HeaderMap, packed: &[Encoding]) -> Encoding {
    let mut best = (0, Encoding::Identity);
    for encoding in packed.iter().chain(&[Encoding::Identity]) {
        let liked = liked(headers, *encoding);
        if liked > best.0 {
            best = (liked, *encoding);
        }
    }
    best.1
}

/// How much a caller likes a form, in thousandths of what it says; 0 when it does not take it. A file as it
/// is, if nothing is said of it, is liked less than whatever is named.
fn liked(headers: &HeaderMap, encoding: Encoding) -> u16 {
    let mut any = None;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        // What is no text names nothing.
        for item in value.to_str().unwrap_or_default().split(',') {
            let (name, rest) = item.split_once(';').unwrap_or((item, ""));
            let name = name.trim();
            if encoding.is_called(name) {
                return weight(rest).saturating_mul(BESIDE_UNNAMED);
            }
            if name == "*" {
                any = Some(weight(rest).saturating_mul(BESIDE_UNNAMED));
            }
        }
    }
    any.unwrap_or(match encoding {
        Encoding::Identity => 1,
        Encoding::Brotli | Encoding::Gzip => 0,
    })
}

/// The weight behind a name, in thousandths (RFC 9110 section 12.4.2): 1000 without one, 0 where it is none.
fn weight(parameters: &str) -> u16 {
    let mut parameters = parameters.split(';').filter_map(|one| one.split_once('='));
    let given = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let Some((_, given)) = given else {
        return ONE;
    };
    let given = given.trim();
    let (whole, part) = given.split_once('.').unwrap_or((given, ""));
    if part.len() > 3 || !part.bytes().all(|octet| octet.is_ascii_digit()) {
        return 0;
    }
    match whole {
        "1" => ONE,
        "0" => format!("{part:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

const ONE: u16 = 1_000;
/// So that the least weight that is named counts more than nothing said.
const BESIDE_UNNAMED: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_form_that_is_taken_is_chosen() {
        use Encoding::{Brotli, Gzip, Identity};
        let all = [Brotli, Gzip];
        for (accepts, there, want) in [
            (None, &all[..], Identity),
            (Some(""), &all, Identity),
            (Some("gzip, deflate, br, zstd"), &all, Brotli),
            (Some("gzip, deflate, br, zstd"), &all[1..], Gzip),
            (Some("gzip, deflate, br, zstd"), &all[2..], Identity),
            (Some("GZIP"), &all, Gzip),
            (Some("x-gzip"), &all, Gzip),
            (Some("deflate"), &all, Identity),
            (Some("br;q=0.5, gzip;q=0.8"), &all, Gzip),
            (Some("br; q=0.8 ,gzip;q=0.8"), &all, Brotli),
            (Some("br;q=0, gzip"), &all, Gzip),
            (Some("br;q=0.000"), &all, Identity),
            (Some("gzip;q=0.001"), &all, Gzip),
            (Some("gzip;q=0.5, identity"), &all, Identity),
            (Some("*"), &all, Brotli),
            (Some("*;q=0.1, gzip"), &all, Gzip),
            (Some("br;q=0, *"), &all, Gzip),
            (Some("br, *;q=0"), &all, Brotli),
            // Neither is there for them; they get something.
            (Some("zstd, *;q=0"), &all, Identity),
            (Some("identity;q=0"), &all[2..], Identity),
            // What is no weight is no wish.
            (Some("br;q=2, gzip;q=0.1"), &all, Gzip),
            (Some("br;q=0.1234, gzip;q=x"), &all, Identity),
            (Some("br;q=-1"), &all, Identity),
            (Some("br;level=9"), &all, Brotli),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accepts) = accepts {
                headers.append(header::ACCEPT_ENCODING, accepts.parse().unwrap());
            }
            assert_eq!(choose(&headers, there), want, "{accepts:?} {there:?}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        for one in ["br;q=0.2", "gzip"] {
            headers.append(header::ACCEPT_ENCODING, one.parse().unwrap());
        }
        let there = [Encoding::Brotli, Encoding::Gzip];
        assert_eq!(choose(&headers, &there), Encoding::Gzip);
    }
}
