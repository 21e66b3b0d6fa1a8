//! Attributes: their numbers, and the views that walk over them where they lie.

use std::fmt;

use crate::radius::DecodeError;

macro_rules! attribute_types {
    ($($constant:ident = $number:literal, $name:literal, $source:literal;)+) => {
        impl AttributeType {
            $(
                #[doc = concat!("`", $name, "`: ", $source, ".")]
                pub const $constant: Self = Self($number);
            )+

            /// The name in the standard; none for a number without one here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)+
                    _ => None,
                }
            }
        }
    };
}

/// The number of an attribute (RFC 2865 section 5). Open: an unknown number is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u8);

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "attribute {}", self.0),
        }
    }
}

/// One attribute, where it lies in its packet.
///
/// The value may be a password or a key: `Debug` shows its length only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it is.
    pub kind: AttributeType,
    /// 0 to 253 octets.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The vendor's number and what is inside, if this is a Vendor-Specific attribute of the
    /// recommended form (RFC 2865 section 5.26).
    ///
    /// None for any other attribute, and for one too short for a vendor's number. What does not
    /// follow the recommended form inside has no sub-attributes: the standard leaves it to the
    /// vendor, so it is no fault of the packet.
    #[must_use]
    pub fn vendor(&self) -> Option<VendorAttributes<'a>> {
        if self.kind != AttributeType::VENDOR_SPECIFIC {
            return None;
        }
        let (vendor, rest) = self.value.split_first_chunk()?;
        let vendor = u32::from_be_bytes(*vendor);
        let mut walk = Attributes::new(rest);
        let framed = loop {
            match walk.read() {
                Ok(Some(_)) => {}
                Ok(None) => break rest,
                Err(_) => break &[],
            }
        };
        Some(VendorAttributes {
            vendor,
            inner: Attributes::new(framed),
        })
    }
}

impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} octets)", self.kind, self.value.len())
    }
}

/// The attributes of a packet, in order.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: Rest<'a>,
    offset: usize,
}

/// Octets that are not shown.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a [u8]);

impl fmt::Debug for Rest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self {
            rest: Rest(octets),
            offset: 0,
        }
    }

    /// Octets already walked over.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// The next attribute, or what is wrong with its framing.
    pub(super) fn read(&mut self) -> Result<Option<Attribute<'a>>, DecodeError> {
        let octets = self.rest.0;
        let offset = self.offset;
        let Some(([kind, length], tail)) = octets.split_first_chunk() else {
            return match octets.is_empty() {
                true => Ok(None),
                false => Err(DecodeError::AttributeCut { offset }),
            };
        };
        let length = usize::from(*length);
        let Some(value_length) = length.checked_sub(2) else {
            return Err(DecodeError::AttributeLength { offset, length });
        };
        let Some((value, rest)) = tail.split_at_checked(value_length) else {
            let left = octets.len();
            return Err(DecodeError::AttributePastEnd {
                offset,
                length,
                left,
            });
        };
        self.rest = Rest(rest);
        self.offset += length;
        Ok(Some(Attribute {
            kind: AttributeType(*kind),
            value,
        }))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        // A packet's framing was checked when it was parsed, so an error cannot come up here.
        self.read().ok().flatten()
    }
}

/// A sub-attribute of a Vendor-Specific attribute. `Debug` shows its length only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VendorAttribute<'a> {
    /// The vendor's number (SMI Network Management Private Enterprise Code).
    pub vendor: u32,
    /// The vendor's type.
    pub number: u8,
    /// 0 to 247 octets.
    pub value: &'a [u8],
}

impl fmt::Debug for VendorAttribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "vendor {} type {} ({} octets)",
            self.vendor,
            self.number,
            self.value.len()
        )
    }
}

/// The sub-attributes of one Vendor-Specific attribute, in order.
#[derive(Clone, Debug)]
pub struct VendorAttributes<'a> {
    vendor: u32,
    inner: Attributes<'a>,
}

impl VendorAttributes<'_> {
    /// The vendor's number.
    #[must_use]
    pub const fn vendor(&self) -> u32 {
        self.vendor
    }
}

impl<'a> Iterator for VendorAttributes<'a> {
    type Item = VendorAttribute<'a>;

    fn next(&mut self) -> Option<VendorAttribute<'a>> {
        let Attribute { kind, value } = self.inner.next()?;
        Some(VendorAttribute {
            vendor: self.vendor,
            number: kind.0,
            value,
        })
    }
}

attribute_types! {
    USER_NAME = 1, "User-Name", "RFC 2865 section 5.1";
    USER_PASSWORD = 2, "User-Password", "RFC 2865 section 5.2";
    CHAP_PASSWORD = 3, "CHAP-Password", "RFC 2865 section 5.3";
    NAS_IP_ADDRESS = 4, "NAS-IP-Address", "RFC 2865 section 5.4";
    NAS_PORT = 5, "NAS-Port", "RFC 2865 section 5.5";
    SERVICE_TYPE = 6, "Service-Type", "RFC 2865 section 5.6";
    FRAMED_PROTOCOL = 7, "Framed-Protocol", "RFC 2865 section 5.7";
    FRAMED_IP_ADDRESS = 8, "Framed-IP-Address", "RFC 2865 section 5.8";
    FRAMED_IP_NETMASK = 9, "Framed-IP-Netmask", "RFC 2865 section 5.9";
    FRAMED_ROUTING = 10, "Framed-Routing", "RFC 2865 section 5.10";
    FILTER_ID = 11, "Filter-Id", "RFC 2865 section 5.11";
    FRAMED_MTU = 12, "Framed-MTU", "RFC 2865 section 5.12";
    FRAMED_COMPRESSION = 13, "Framed-Compression", "RFC 2865 section 5.13";
    LOGIN_IP_HOST = 14, "Login-IP-Host", "RFC 2865 section 5.14";
    LOGIN_SERVICE = 15, "Login-Service", "RFC 2865 section 5.15";
    LOGIN_TCP_PORT = 16, "Login-TCP-Port", "RFC 2865 section 5.16";
    REPLY_MESSAGE = 18, "Reply-Message", "RFC 2865 section 5.18";
    CALLBACK_NUMBER = 19, "Callback-Number", "RFC 2865 section 5.19";
    CALLBACK_ID = 20, "Callback-Id", "RFC 2865 section 5.20";
    FRAMED_ROUTE = 22, "Framed-Route", "RFC 2865 section 5.22";
    FRAMED_IPX_NETWORK = 23, "Framed-IPX-Network", "RFC 2865 section 5.23";
    STATE = 24, "State", "RFC 2865 section 5.24";
    CLASS = 25, "Class", "RFC 2865 section 5.25";
    VENDOR_SPECIFIC = 26, "Vendor-Specific", "RFC 2865 section 5.26";
    SESSION_TIMEOUT = 27, "Session-Timeout", "RFC 2865 section 5.27";
    IDLE_TIMEOUT = 28, "Idle-Timeout", "RFC 2865 section 5.28";
    TERMINATION_ACTION = 29, "Termination-Action", "RFC 2865 section 5.29";
    CALLED_STATION_ID = 30, "Called-Station-Id", "RFC 2865 section 5.30";
    CALLING_STATION_ID = 31, "Calling-Station-Id", "RFC 2865 section 5.31";
    NAS_IDENTIFIER = 32, "NAS-Identifier", "RFC 2865 section 5.32";
    PROXY_STATE = 33, "Proxy-State", "RFC 2865 section 5.33";
    LOGIN_LAT_SERVICE = 34, "Login-LAT-Service", "RFC 2865 section 5.34";
    LOGIN_LAT_NODE = 35, "Login-LAT-Node", "RFC 2865 section 5.35";
    LOGIN_LAT_GROUP = 36, "Login-LAT-Group", "RFC 2865 section 5.36";
    FRAMED_APPLETALK_LINK = 37, "Framed-AppleTalk-Link", "RFC 2865 section 5.37";
    FRAMED_APPLETALK_NETWORK = 38, "Framed-AppleTalk-Network", "RFC 2865 section 5.38";
    FRAMED_APPLETALK_ZONE = 39, "Framed-AppleTalk-Zone", "RFC 2865 section 5.39";
    ACCT_STATUS_TYPE = 40, "Acct-Status-Type", "RFC 2866 section 5.1";
    ACCT_DELAY_TIME = 41, "Acct-Delay-Time", "RFC 2866 section 5.2";
    ACCT_INPUT_OCTETS = 42, "Acct-Input-Octets", "RFC 2866 section 5.3";
    ACCT_OUTPUT_OCTETS = 43, "Acct-Output-Octets", "RFC 2866 section 5.4";
    ACCT_SESSION_ID = 44, "Acct-Session-Id", "RFC 2866 section 5.5";
    ACCT_AUTHENTIC = 45, "Acct-Authentic", "RFC 2866 section 5.6";
    ACCT_SESSION_TIME = 46, "Acct-Session-Time", "RFC 2866 section 5.7";
    ACCT_INPUT_PACKETS = 47, "Acct-Input-Packets", "RFC 2866 section 5.8";
    ACCT_OUTPUT_PACKETS = 48, "Acct-Output-Packets", "RFC 2866 section 5.9";
    ACCT_TERMINATE_CAUSE = 49, "Acct-Terminate-Cause", "RFC 2866 section 5.10";
    ACCT_MULTI_SESSION_ID = 50, "Acct-Multi-Session-Id", "RFC 2866 section 5.11";
    ACCT_LINK_COUNT = 51, "Acct-Link-Count", "RFC 2866 section 5.12";
    ACCT_INPUT_GIGAWORDS = 52, "Acct-Input-Gigawords", "RFC 2869 section 5.1";
    ACCT_OUTPUT_GIGAWORDS = 53, "Acct-Output-Gigawords", "RFC 2869 section 5.2";
    EVENT_TIMESTAMP = 55, "Event-Timestamp", "RFC 2869 section 5.3";
    CHAP_CHALLENGE = 60, "CHAP-Challenge", "RFC 2865 section 5.40";
    NAS_PORT_TYPE = 61, "NAS-Port-Type", "RFC 2865 section 5.41";
    PORT_LIMIT = 62, "Port-Limit", "RFC 2865 section 5.42";
    LOGIN_LAT_PORT = 63, "Login-LAT-Port", "RFC 2865 section 5.43";
    TUNNEL_TYPE = 64, "Tunnel-Type", "RFC 2868 section 3.1";
    TUNNEL_MEDIUM_TYPE = 65, "Tunnel-Medium-Type", "RFC 2868 section 3.2";
    TUNNEL_CLIENT_ENDPOINT = 66, "Tunnel-Client-Endpoint", "RFC 2868 section 3.3";
    TUNNEL_SERVER_ENDPOINT = 67, "Tunnel-Server-Endpoint", "RFC 2868 section 3.4";
    ACCT_TUNNEL_CONNECTION = 68, "Acct-Tunnel-Connection", "RFC 2867 section 4.1";
    TUNNEL_PASSWORD = 69, "Tunnel-Password", "RFC 2868 section 3.5";
    ARAP_PASSWORD = 70, "ARAP-Password", "RFC 2869 section 5.4";
    ARAP_FEATURES = 71, "ARAP-Features", "RFC 2869 section 5.5";
    ARAP_ZONE_ACCESS = 72, "ARAP-Zone-Access", "RFC 2869 section 5.6";
    ARAP_SECURITY = 73, "ARAP-Security", "RFC 2869 section 5.7";
    ARAP_SECURITY_DATA = 74, "ARAP-Security-Data", "RFC 2869 section 5.8";
    PASSWORD_RETRY = 75, "Password-Retry", "RFC 2869 section 5.9";
    PROMPT = 76, "Prompt", "RFC 2869 section 5.10";
    CONNECT_INFO = 77, "Connect-Info", "RFC 2869 section 5.11";
    CONFIGURATION_TOKEN = 78, "Configuration-Token", "RFC 2869 section 5.12";
    EAP_MESSAGE = 79, "EAP-Message", "RFC 3579 section 3.1";
    MESSAGE_AUTHENTICATOR = 80, "Message-Authenticator", "RFC 3579 section 3.2";
    TUNNEL_PRIVATE_GROUP_ID = 81, "Tunnel-Private-Group-ID", "RFC 2868 section 3.6";
    TUNNEL_ASSIGNMENT_ID = 82, "Tunnel-Assignment-ID", "RFC 2868 section 3.7";
    TUNNEL_PREFERENCE = 83, "Tunnel-Preference", "RFC 2868 section 3.8";
    ARAP_CHALLENGE_RESPONSE = 84, "ARAP-Challenge-Response", "RFC 2869 section 5.15";
    ACCT_INTERIM_INTERVAL = 85, "Acct-Interim-Interval", "RFC 2869 section 5.16";
    ACCT_TUNNEL_PACKETS_LOST = 86, "Acct-Tunnel-Packets-Lost", "RFC 2867 section 4.2";
    NAS_PORT_ID = 87, "NAS-Port-Id", "RFC 2869 section 5.17";
    FRAMED_POOL = 88, "Framed-Pool", "RFC 2869 section 5.18";
    CHARGEABLE_USER_IDENTITY = 89, "Chargeable-User-Identity", "RFC 4372 section 2.2";
    TUNNEL_CLIENT_AUTH_ID = 90, "Tunnel-Client-Auth-ID", "RFC 2868 section 3.9";
    TUNNEL_SERVER_AUTH_ID = 91, "Tunnel-Server-Auth-ID", "RFC 2868 section 3.10";
    NAS_IPV6_ADDRESS = 95, "NAS-IPv6-Address", "RFC 3162 section 2.1";
    FRAMED_INTERFACE_ID = 96, "Framed-Interface-Id", "RFC 3162 section 2.2";
    FRAMED_IPV6_PREFIX = 97, "Framed-IPv6-Prefix", "RFC 3162 section 2.3";
    LOGIN_IPV6_HOST = 98, "Login-IPv6-Host", "RFC 3162 section 2.4";
    FRAMED_IPV6_ROUTE = 99, "Framed-IPv6-Route", "RFC 3162 section 2.5";
    FRAMED_IPV6_POOL = 100, "Framed-IPv6-Pool", "RFC 3162 section 2.6";
    ERROR_CAUSE = 101, "Error-Cause", "RFC 5176 section 3.5";
}
