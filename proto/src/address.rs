//! Which source addresses a RADIUS client may have.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A closed range of addresses of one family.
///
/// Written as one address (`10.1.2.3`), CIDR (`10.0.2.0/24`), address and netmask
/// (`10.0.0.0/255.255.255.0`) or a range (`10.0.0.10-10.0.0.20`); IPv4 or IPv6
/// (authproxy-config, `radius_ip_N`). Host bits below a prefix are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// The range of exactly one address.
    #[must_use]
    pub const fn single(address: IpAddr) -> Self {
        Self {
            first: address,
            last: address,
        }
    }

    /// The lowest address.
    #[must_use]
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    #[must_use]
    pub const fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether the address lies in the range. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.first.is_ipv4() == address.is_ipv4() && self.first <= address && address <= self.last
    }

    /// How many addresses lie in the range, less one. The smaller range is the more specific.
    #[must_use]
    pub fn span(&self) -> u128 {
        number(self.last) - number(self.first)
    }

    /// Whether some address lies in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4()
            && self.first <= other.last
            && other.first <= self.last
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        let bits: u32 = if self.first.is_ipv4() { 32 } else { 128 };
        let span = self.span();
        let host_bits = (span.wrapping_add(1)).checked_ilog2().unwrap_or(128);
        let aligned = span == low_bits(host_bits) && number(self.first) & low_bits(host_bits) == 0;
        if aligned {
            write!(f, "{}/{}", self.first, bits - host_bits)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl fmt::Debug for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AddressRange {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first)?, address(last)?);
            if first.is_ipv4() != last.is_ipv4() {
                return Err(AddressError::MixedFamilies);
            }
            if first > last {
                return Err(AddressError::Reversed { first, last });
            }
            return Ok(Self { first, last });
        }
        let Some((base, mask)) = text.split_once('/') else {
            return address(text).map(Self::single);
        };
        let base = address(base)?;
        let bits: u32 = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix_length(mask, bits).ok_or_else(|| AddressError::Mask {
            mask: mask.trim().to_owned(),
            bits,
        })?;
        let hosts = low_bits(bits - prefix);
        let low = number(base) & !hosts;
        Ok(Self {
            first: same_family(base, low),
            last: same_family(base, low | hosts),
        })
    }
}

impl Serialize for AddressRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Why a text is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Neither IPv4 nor IPv6. Host names are not looked up: who may talk to us must not hang on DNS.
    #[error("'{text}' is no IP address")]
    NotAnAddress {
        /// What was read.
        text: String,
    },
    /// The part after `/` is neither a prefix length nor a netmask.
    #[error("'{mask}' is neither a prefix length of 0 to {bits} nor a netmask")]
    Mask {
        /// What was read.
        mask: String,
        /// 32 or 128.
        bits: u32,
    },
    /// One end IPv4, the other IPv6.
    #[error("both ends of a range must be IPv4, or both IPv6")]
    MixedFamilies,
    /// The first address is above the last.
    #[error("the range runs backwards: {first} is above {last}")]
    Reversed {
        /// The address written first.
        first: IpAddr,
        /// The address written last.
        last: IpAddr,
    },
}

fn address(text: &str) -> Result<IpAddr, AddressError> {
    let text = text.trim();
    text.parse::<IpAddr>()
        .map(|address| address.to_canonical())
        .map_err(|_| AddressError::NotAnAddress {
            text: text.to_owned(),
        })
}

fn prefix_length(mask: &str, bits: u32) -> Option<u32> {
    let mask = mask.trim();
    if let Ok(prefix) = mask.parse::<u32>() {
        return (prefix <= bits).then_some(prefix);
    }
    let mask = mask.parse::<IpAddr>().ok()?;
    if mask.is_ipv4() != (bits == 32) {
        return None;
    }
    let ones = number(mask).count_ones();
    let whole = low_bits(bits) & !low_bits(bits - ones);
    (number(mask) == whole).then_some(ones)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn same_family(like: IpAddr, number: u128) -> IpAddr {
    match (like, u32::try_from(number)) {
        (IpAddr::V4(_), Ok(v4)) => IpAddr::V4(Ipv4Addr::from(v4)),
        _ => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

const fn low_bits(count: u32) -> u128 {
    if count >= 128 {
        u128::MAX
    } else {
        (1 << count) - 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_documented_form() {
        for (text, want) in [
            ("10.1.2.3", "10.1.2.3"),
            (" 10.1.2.3 ", "10.1.2.3"),
            ("10.0.2.0/24", "10.0.2.0/24"),
            ("10.0.2.77/24", "10.0.2.0/24"),
            ("10.0.0.0/255.255.255.0", "10.0.0.0/24"),
            ("10.0.0.10-10.0.0.20", "10.0.0.10-10.0.0.20"),
            ("10.0.0.0-10.0.0.255", "10.0.0.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(
                text.parse::<AddressRange>().unwrap().to_string(),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn names_what_is_wrong() {
        for (text, want) in [
            ("vpn.example.com", "'vpn.example.com' is no IP address"),
            ("999.1.1.1", "'999.1.1.1' is no IP address"),
            ("", "'' is no IP address"),
            (
                "10.0.0.0/33",
                "'33' is neither a prefix length of 0 to 32 nor a netmask",
            ),
            (
                "10.0.0.0/255.0.255.0",
                "'255.0.255.0' is neither a prefix length of 0 to 32 nor a netmask",
            ),
            (
                "10.0.0.2-10.0.0.1",
                "the range runs backwards: 10.0.0.2 is above 10.0.0.1",
            ),
            (
                "10.0.0.2-::1",
                "both ends of a range must be IPv4, or both IPv6",
            ),
        ] {
            assert_eq!(
                text.parse::<AddressRange>().unwrap_err().to_string(),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        let range: AddressRange = "10.0.0.0/24".parse().unwrap();
        assert!(range.contains("::ffff:10.0.0.7".parse().unwrap()));
        assert!(!range.contains("10.0.1.0".parse().unwrap()));
        assert!(!range.contains("::".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn text_is_an_identity(a: u128, b: u128, v4: bool) {
            let like: IpAddr = if v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let cut = |n: u128| if v4 { n & low_bits(32) } else { n };
            let (a, b) = (cut(a.min(b)), cut(a.max(b)));
            let (a, b) = (a.min(b), a.max(b));
            let ends = [same_family(like, a).to_canonical(), same_family(like, b).to_canonical()];
            prop_assume!(ends[0].is_ipv4() == ends[1].is_ipv4());
            let range = AddressRange { first: ends[0], last: ends[1] };
            prop_assert_eq!(range.to_string().parse::<AddressRange>().unwrap(), range);
        }
    }
}
