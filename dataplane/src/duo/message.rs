//! The requests and answers of Auth API v2, as types (duo-auth-api section 2). Pure.

use proto::secret::Secret;

/// `/auth/v2/preauth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreauthRequest {
    /// The user's name, exactly as typed.
    pub username: String,
    /// Where the user is; none is not sent.
    pub ipaddr: Option<String>,
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

/// A phone or token of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its id at the service.
    pub id: String,
    /// What it is called in a prompt: `display_name`, else the name or the id.
    pub display_name: String,
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
