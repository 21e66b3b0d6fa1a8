//! Who a datagram comes from: the client with the smallest range that holds its source. Pure.

use std::net::IpAddr;

use proto::address::AddressRange;
use rustc_hash::FxHashMap;

/// Prefixes of one length: whether IPv4, and the bits that do not vary.
type Prefixes<T> = FxHashMap<(bool, u128), T>;

/// Client ranges of one port, each with what belongs to it.
///
/// A look-up costs one hash per distinct prefix length in use, however many clients there are;
/// ranges that are no prefix are tried one by one, smallest first.
#[derive(Debug)]
pub(crate) struct ClientTable<T> {
    /// Aligned ranges by host bits, fewest first.
    prefixes: Vec<(u32, Prefixes<T>)>,
    /// Other ranges, smallest first.
    odd: Vec<(AddressRange, T)>,
}

impl<T> ClientTable<T> {
    /// Builds the table. Of two equal ranges the first stays.
    pub(crate) fn new(clients: impl IntoIterator<Item = (AddressRange, T)>) -> Self {
        let mut table = Self {
            prefixes: Vec::new(),
            odd: Vec::new(),
        };
        for (range, value) in clients {
            match host_bits(&range) {
                Some(bits) => {
                    let key = (range.first().is_ipv4(), shifted(range.first(), bits));
                    let at = match table
                        .prefixes
                        .binary_search_by_key(&bits, |(bits, _)| *bits)
                    {
                        Ok(at) => at,
                        Err(at) => {
                            table.prefixes.insert(at, (bits, FxHashMap::default()));
                            at
                        }
                    };
                    if let Some((_, map)) = table.prefixes.get_mut(at) {
                        map.entry(key).or_insert(value);
                    }
                }
                None => table.odd.push((range, value)),
            }
        }
        table.odd.sort_by_key(|(range, _)| range.span());
        table
    }

    /// The client with the smallest range that holds the address.
    pub(crate) fn find(&self, source: IpAddr) -> Option<&T> {
        let source = source.to_canonical();
        let aligned = self.prefixes.iter().find_map(|(bits, map)| {
            map.get(&(source.is_ipv4(), shifted(source, *bits)))
                .map(|value| (*bits, value))
        });
        let odd = self.odd.iter().find(|(range, _)| range.contains(source));
        match (aligned, odd) {
            (Some((bits, value)), Some((range, other))) => {
                let span = 1_u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1);
                Some(if range.span() < span { other } else { value })
            }
            (Some((_, value)), None) | (None, Some((_, value))) => Some(value),
            (None, None) => None,
        }
    }
}

/// How many low bits vary, when the range is a prefix.
fn host_bits(range: &AddressRange) -> Option<u32> {
    let (first, last) = (number(range.first()), number(range.last()));
    let varying = first ^ last;
    let bits = 128 - varying.leading_zeros();
    let mask = 1_u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1);
    (varying == mask && first & mask == 0).then_some(bits)
}

fn shifted(address: IpAddr, bits: u32) -> u128 {
    number(address).checked_shr(bits).unwrap_or(0)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(ranges: &[&str]) -> ClientTable<String> {
        ClientTable::new(
            ranges
                .iter()
                .map(|text| (text.parse().unwrap(), (*text).to_owned())),
        )
    }

    #[test]
    fn the_smallest_range_wins() {
        let table = table(&[
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.0.0.0/24",
            "10.0.0.7",
            "10.0.0.5-10.0.0.9",
            "10.0.0.6-10.0.0.7",
            "::/0",
            "2001:db8::/32",
            "2001:db8::1",
        ]);
        for (source, want) in [
            ("192.0.2.1", "0.0.0.0/0"),
            ("10.9.9.9", "10.0.0.0/8"),
            ("10.0.0.200", "10.0.0.0/24"),
            ("10.0.0.9", "10.0.0.5-10.0.0.9"),
            ("10.0.0.6", "10.0.0.6-10.0.0.7"),
            ("10.0.0.7", "10.0.0.7"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
            ("2001:db8::2", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1"),
            ("fe80::1", "::/0"),
        ] {
            assert_eq!(
                table.find(source.parse().unwrap()).unwrap(),
                want,
                "{source}"
            );
        }
    }

    #[test]
    fn a_stranger_is_nobody() {
        assert_eq!(
            table(&["10.0.0.0/24"]).find("10.0.1.0".parse().unwrap()),
            None
        );
        assert_eq!(table(&["0.0.0.0/0"]).find("::1".parse().unwrap()), None);
        assert_eq!(table(&[]).find("::1".parse().unwrap()), None);
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_search(ends in prop::collection::vec((0_u32..64, 0_u32..64), 0..20), source in 0_u32..64) {
            let ranges: Vec<AddressRange> = ends
                .iter()
                .map(|(a, b)| {
                    let (a, b) = (std::net::Ipv4Addr::from(*a.min(b)), std::net::Ipv4Addr::from(*a.max(b)));
                    format!("{a}-{b}").parse().unwrap()
                })
                .collect();
            let source = IpAddr::from(std::net::Ipv4Addr::from(source));
            let table = ClientTable::new(ranges.iter().map(|range| (*range, *range)));
            let want = ranges.iter().filter(|range| range.contains(source)).map(AddressRange::span).min();
            prop_assert_eq!(table.find(source).map(AddressRange::span), want);
        }
    }
}
