//! Arguments of what `countersign factor` has several commands for: tokens, policies, remembered
//! approvals, delivery.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::second_factor::{
    AllowedFactor, Channel, GatewayFormat, NewUserPolicy, NumberMatching, SmtpSecurity,
};

use super::parse::words;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// List hardware tokens, and who has each.
    List,
    /// Take in tokens of a CSV file: all of it, or nothing when a line is not possible.
    ///
    /// The first line names the columns. serial and secret (hexadecimal, or base32 after base32:) must
    /// be there; kind (hotp or totp), digits, algorithm, period, counter and username may be.
    Import {
        /// The file; - is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Give a token to a user.
    Assign {
        /// What is printed on it.
        serial: String,
        /// The user's name.
        user: String,
    },
    /// Take a token from its user.
    Unassign {
        /// What is printed on it.
        serial: String,
    },
    /// Delete a token that nobody has: take it from its user first.
    Delete {
        /// What is printed on it.
        serial: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show all policies.
    Show,
    /// Change a policy in what is named, or make it.
    Set {
        #[command(flatten)]
        whose: WhoseArgs,
        #[command(flatten)]
        policy: Box<PolicyArgs>,
    },
    /// Delete a policy: what is wider holds.
    Delete {
        #[command(flatten)]
        whose: WhoseArgs,
    },
    /// Show what holds for a user, and which policy says so.
    Of {
        /// The user's name.
        user: String,
        /// In logins through this application.
        #[arg(long, value_name = "NAME")]
        application: Option<String>,
    },
}

/// Whom a policy is for.
#[derive(Clone, Debug, Args)]
pub(crate) struct WhoseArgs {
    /// For logins through this application [default: everybody].
    #[arg(long, value_name = "NAME", conflicts_with = "group")]
    pub(crate) application: Option<String>,
    /// For members of this group, before what applications say.
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
}

/// What a policy says; what is not named stays.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct PolicyArgs {
    /// What may be used, separated by commas.
    #[arg(long, value_name = "WORDS", value_delimiter = ',', value_parser = words(AllowedFactor::ALL, AllowedFactor::as_str))]
    pub(crate) factors: Vec<AllowedFactor>,
    /// What becomes of users without a device.
    #[arg(long, value_name = "WORD", value_parser = words(NewUserPolicy::ALL, NewUserPolicy::as_str))]
    pub(crate) new_users: Option<NewUserPolicy>,
    /// For how many hours an approval lets in again from the same place; 0 is never.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(0..=720))]
    pub(crate) remember_hours: Option<u32>,
    /// Networks from which no second factor is asked, separated by commas; an empty text for none.
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    pub(crate) exempt: Option<Vec<String>>,
    /// When a number must be typed into the phone: off, always, or risk: after pushes that nobody
    /// approved.
    #[arg(long, value_name = "WORD", value_parser = words(NumberMatching::ALL, NumberMatching::as_str))]
    pub(crate) number_matching: Option<NumberMatching>,
    /// How many pushes in a row that nobody approved are too many.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) push_fatigue_after: Option<u32>,
    /// For how many minutes they count.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub(crate) push_fatigue_minutes: Option<u32>,
    /// Which of a user's groups goes first: the one with the lowest rank, 0 to 1000.
    #[arg(long, value_name = "NUMBER", requires = "group", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) rank: Option<u32>,
    /// What this policy says nothing of from now on; may be given more than once.
    #[arg(long, value_name = "FIELD", value_parser = FIELDS)]
    pub(crate) inherit: Vec<String>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RememberedCommand {
    /// List them, newest first.
    List {
        /// Only of this user.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// Forget one, or all of a user: the next login asks again.
    Forget {
        /// Its id, as the list has it.
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        id: Option<String>,
        /// All of this user.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// Show what is set, without passwords and keys, and what did not go out lately.
    Show,
    /// Set one way to reach people, in the place of what was there.
    Set {
        #[command(subcommand)]
        way: WayCommand,
    },
    /// Reach nobody that way any more.
    Clear {
        /// Which way.
        #[arg(value_parser = ["smtp", "sms", "voice", "web-push"])]
        way: String,
    },
    /// Send a message that says it is a test.
    Test {
        /// Which way: the test of a notice is a push.
        #[arg(value_parser = words(TESTED, Channel::as_str))]
        channel: Channel,
        /// An e-mail address or a telephone number.
        to: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum WayCommand {
    /// The SMTP server for e-mail.
    Smtp {
        /// Its name or address.
        #[arg(long, value_name = "HOST")]
        host: String,
        /// Its port [default: 465 with tls, 587 with starttls, 25 with none].
        #[arg(long, value_name = "PORT")]
        port: Option<u16>,
        /// How the connection is protected; none is for a server on this machine.
        #[arg(long, value_name = "WORD", default_value = "tls", value_parser = words(SmtpSecurity::ALL, SmtpSecurity::as_str))]
        security: SmtpSecurity,
        /// Who it comes from: an address, or a name with the address in angle brackets behind it.
        #[arg(long, value_name = "ADDRESS")]
        from: String,
        /// Who logs in there [default: nobody].
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// A file whose first line is the password; - is standard input [default: the password that
        /// is there].
        #[arg(long, value_name = "FILE", requires = "user")]
        password_file: Option<PathBuf>,
        /// Certificates in PEM to trust instead of the system's.
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
    },
    /// The gateway for SMS.
    Sms {
        #[command(flatten)]
        gateway: GatewayArgs,
    },
    /// The gateway for calls.
    Voice {
        #[command(flatten)]
        gateway: GatewayArgs,
    },
    /// Notices on phones whose page is not open.
    WebPush {
        /// Whom a push service may ask about this gateway: mailto:… or https://…
        #[arg(long, value_name = "URL")]
        contact: String,
        /// A push service besides those of Chrome, Firefox, Safari and Edge; may be given more than
        /// once.
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// Certificates in PEM to trust besides the system's.
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
    },
}

/// An HTTP gateway, which gets a POST for each message.
#[derive(Clone, Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Where it is: https://…
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
    /// How the fields are written.
    #[arg(long, value_name = "WORD", default_value = "form", value_parser = words(GatewayFormat::ALL, GatewayFormat::as_str))]
    pub(crate) format: GatewayFormat,
    /// A field; may be given more than once. {number} stands for the telephone number, {text} for what
    /// is said, {callback} for the address that a call's gateway tells what the person did.
    #[arg(long = "field", value_name = "NAME=VALUE", required = true, value_parser = field)]
    pub(crate) fields: Vec<(String, String)>,
    /// A field whose value is the first line of a file, such as a key; may be given more than once.
    #[arg(long = "field-file", value_name = "NAME=FILE", value_parser = field)]
    pub(crate) field_files: Vec<(String, String)>,
    /// A file whose first line is the Authorization header, such as "Bearer …"; - is standard input
    /// [default: the one that is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) authorization_file: Option<PathBuf>,
    /// Certificates in PEM to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

fn field(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE"),
    }
}

const TESTED: &[Channel] = &[Channel::Email, Channel::Sms, Channel::Voice];
/// What a policy can say nothing of, as the options are called.
const FIELDS: [&str; 7] = [
    "factors",
    "new-users",
    "remember-hours",
    "exempt",
    "number-matching",
    "push-fatigue-after",
    "push-fatigue-minutes",
];
