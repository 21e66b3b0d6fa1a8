//! The requests and answers of Auth API v2, as types (duo-auth-api section 2). Pure.

use proto::secret::Secret;

/// `/auth/v2/preauth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreauthRequest {
    /// The user's name, exactly as typed.
    pub username: String,
    /// Where the user is; none is not sent.
    pub ipaddr: Option<String>,
    /// What the user logs in to; none is not sent.
    pub hostname: Option<String>,
    /// Whether a prompt can show the number that a push is approved with.
    pub shows_numbers: bool,
}

/// What the user is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preauth {
    /// Authenticate with one of the devices.
    Auth {
        /// For a person.
        status_msg: String,
        /// In the service's order.
        devices: Vec<Device>,
        /// What a push wants to be approved with; none when it wants nothing.
        number: Option<PushNumber>,
    },
    /// Nothing: let in.
    Allow {
        /// For a person.
        status_msg: String,
    },
    /// Nothing helps: refused.
    Deny {
        /// For a person.
        status_msg: String,
    },
    /// Enrol first.
    Enroll {
        /// For a person.
        status_msg: String,
        /// Where to enrol.
        portal_url: Option<String>,
    },
}

/// A number that a prompt shows, and that is typed on the phone to approve the push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushNumber {
    /// Goes along with the push.
    pub txid: Txid,
    /// What is shown: [`PushNumber::MAX_CODE`] ASCII letters or digits at most.
    pub code: String,
}

impl PushNumber {
    /// The most letters or digits of a number.
    pub const MAX_CODE: usize = 8;

    /// Checks both.
    #[must_use]
    pub fn new(txid: &str, code: &str) -> Option<Self> {
        let good = (1..=Self::MAX_CODE).contains(&code.len())
            && code.bytes().all(|octet| octet.is_ascii_alphanumeric());
        let code = good.then(|| code.to_owned())?;
        let txid = Txid::kept(txid)?;
        Some(Self { txid, code })
    }
}

/// A phone or token of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its id at the service.
    pub id: String,
    /// What it is called in a prompt: `display_name`, else the name or the id.
    pub display_name: String,
    /// Its telephone number as far as the service shows it (`XXX-XXX-4788`); none when it has none.
    pub number: Option<String>,
    /// What it can do. A token can do nothing of this: its codes are simply typed.
    pub capabilities: Capabilities,
    /// How the next passcode begins that was sent to it by SMS; none when none is outstanding.
    pub sms_next_code: Option<String>,
}

/// What a device can do, of what we ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts from the wire"
)]
pub struct Capabilities {
    /// Usable with `factor=auto`.
    pub auto: bool,
    /// Can get a push.
    pub push: bool,
    /// Can be called.
    pub phone: bool,
    /// Can get passcodes by SMS.
    pub sms: bool,
}

/// `/auth/v2/auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthRequest {
    /// The user's name, exactly as typed.
    pub username: String,
    /// Where the user is; none is not sent.
    pub ipaddr: Option<String>,
    /// What the user logs in to; none is not sent.
    pub hostname: Option<String>,
    /// The [`PushNumber`]'s that the user was shown; none is not sent.
    pub txid: Option<Txid>,
    /// How to decide.
    pub factor: AuthFactor,
}

/// A factor with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthFactor {
    /// The service picks factor and device.
    Auto,
    /// A push to a device.
    Push(DeviceChoice),
    /// A call.
    Phone(DeviceChoice),
    /// A new batch of passcodes; decides nothing.
    Sms(DeviceChoice),
    /// What the user typed.
    Passcode(Secret<String>),
}

/// Which device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first that can.
    Auto,
    /// This one.
    Id(String),
}

impl AuthFactor {
    /// Whether a person has to act, so that the request goes out with `async=1` and is followed by
    /// polls. The others are answered at once.
    #[must_use]
    pub const fn waits_for_a_person(&self) -> bool {
        matches!(self, Self::Auto | Self::Push(_) | Self::Phone(_))
    }
}

/// A transaction's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txid(pub String);

impl Txid {
    /// The most octets of one that is kept beyond a request.
    pub const MAX_KEPT: usize = 64;

    /// One that is kept beyond a request: visible ASCII, 1 to [`Txid::MAX_KEPT`] characters.
    #[must_use]
    pub fn kept(text: &str) -> Option<Self> {
        let good = (1..=Self::MAX_KEPT).contains(&text.len())
            && text.bytes().all(|octet| octet.is_ascii_graphic());
        good.then(|| Self(text.to_owned()))
    }
}

/// What an auth request gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthReply {
    /// `async=1`: to be followed with polls.
    Started(Txid),
    /// An answer at once.
    Decided(Decision),
}

/// An answer of `auth` or `auth_status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Yes, no or not yet.
    pub result: AuthResult,
    /// The machine's word for it.
    pub status: AuthStatus,
    /// For a person.
    pub status_msg: String,
}

/// Yes, no or not yet. An unknown word is unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthResult {
    /// Let in.
    Allow,
    /// Refused.
    Deny,
    /// Ask again.
    Waiting,
}

/// `status`, as far as it changes what we say (duo-auth-api 2.5). Unknown words are `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthStatus {
    /// `allow`, and every word we need no difference for.
    Other,
    /// `bypass`.
    Bypass,
    /// `deny`.
    Deny,
    /// `timeout`.
    Timeout,
    /// `fraud`.
    Fraud,
    /// `locked_out`.
    LockedOut,
    /// `sent`: passcodes were sent by SMS.
    Sent,
}
