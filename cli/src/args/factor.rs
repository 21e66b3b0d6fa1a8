//! Arguments of `countersign factor`: what manages the built-in second factor.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use proto::second_factor::{
    IncidentKind, NewUserPolicy, OtpAlgorithm, UserStatus, UsernameNormalization,
};

use super::ToolArgs;
use super::factor_sets::{DeliveryCommand, PolicyCommand, RememberedCommand, TokensCommand};
use super::factor_sync::SyncArgs;
use super::parse::words;
use crate::span;

#[derive(Clone, Debug, Args)]
pub(crate) struct FactorArgs {
    #[command(subcommand)]
    pub(crate) command: FactorCommand,
    #[command(flatten)]
    pub(crate) tool: ToolArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FactorCommand {
    /// List users.
    Users {
        /// Only those with this in their name, full name, e-mail address or an alias.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only those of this status.
        #[arg(long, value_name = "STATUS", value_parser = words(UserStatus::ALL, UserStatus::as_str))]
        status: Option<UserStatus>,
        /// Only those of this group.
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
    },
    /// Show one user.
    Show {
        /// The user's name.
        user: String,
    },
    /// Make a user.
    Add {
        /// The user's name.
        user: String,
        /// How they are called.
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        full_name: String,
        /// Their e-mail address, for invitations.
        #[arg(
            long,
            value_name = "ADDRESS",
            default_value = "",
            hide_default_value = true
        )]
        email: String,
        /// Another name that they log in with; may be given more than once.
        #[arg(long = "alias", value_name = "NAME")]
        aliases: Vec<String>,
        /// A group that they are in; may be given more than once.
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Change what is known of a user.
    Change {
        /// The user's name.
        user: String,
        #[command(flatten)]
        change: UserChangeArgs,
    },
    /// Make and change users by a CSV file: nothing of it when a line is not possible, or else all of it.
    ///
    /// The first line names the columns, of which only the first must be there: username, full_name,
    /// email, number, status, aliases, groups (the last two separated by semicolons). An empty field
    /// says nothing.
    Import {
        /// The file; - is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Bring users in line with a directory that the gateway asks; what is not possible is left out and
    /// said.
    Sync(SyncArgs),
    /// List the groups that users are in.
    Groups,
    /// Delete a user with all devices and codes.
    Delete {
        /// The user's name.
        user: String,
    },
    /// Set what a user may do.
    SetStatus {
        /// The user's name.
        user: String,
        /// What they may do.
        #[arg(value_parser = words(UserStatus::ALL, UserStatus::as_str))]
        status: UserStatus,
        /// With bypass: how long, 30m, 8h, 7d; they are active again then [default: until it is
        /// changed].
        #[arg(long = "for", value_name = "TIME", value_parser = span::read)]
        span: Option<Duration>,
    },
    /// Keep a user out until unlocked; pushes that wait are refused.
    Lock {
        /// The user's name.
        user: String,
    },
    /// Let a user in again who was locked out.
    Unlock {
        /// The user's name.
        user: String,
    },
    /// Add a device to a user; prints what its owner needs, once.
    AddDevice {
        /// The user's name.
        user: String,
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Call a device otherwise.
    RenameDevice {
        /// The user's name.
        user: String,
        /// The device's id.
        device: String,
        /// What to call it.
        name: String,
    },
    /// Delete a device.
    DeleteDevice {
        /// The user's name.
        user: String,
        /// The device's id.
        device: String,
    },
    /// Find a generator of passcodes that has run away: asks for two passcodes in a row, or reads
    /// them from standard input, a line each.
    Resync {
        /// The user's name.
        user: String,
        /// The device's id.
        device: String,
    },
    /// Make codes that let a user in once each; prints them, once.
    BypassCodes {
        /// The user's name.
        user: String,
        /// How many.
        #[arg(long, default_value_t = 10)]
        count: u32,
        /// How long they are good for, 30m, 8h, 7d [default: until they are used].
        #[arg(long = "for", value_name = "TIME", value_parser = span::read)]
        span: Option<Duration>,
    },
    /// Show the passcodes recorded for a user's phones, where no gateway sends an SMS.
    SmsCodes {
        /// The user's name.
        user: String,
    },
    /// Make a link with which a user sets up a phone.
    Enroll {
        /// The user's name.
        user: String,
        /// How long it is good for, 30 days at most [default: 1d].
        #[arg(long = "for", value_name = "TIME", value_parser = span::read)]
        span: Option<Duration>,
        /// Send it to the user by e-mail, too.
        #[arg(long)]
        by_email: bool,
    },
    /// Invite many users to set up a phone; prints the links, once.
    Invite {
        /// Their names.
        #[arg(
            value_name = "USER",
            required_unless_present = "group",
            conflicts_with = "group"
        )]
        users: Vec<String>,
        /// All of this group who have no device.
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
        /// Send the links by e-mail in place of printing them.
        #[arg(long)]
        by_email: bool,
        /// How long they are good for, 30 days at most [default: 7d].
        #[arg(long = "for", value_name = "TIME", value_parser = span::read)]
        span: Option<Duration>,
    },
    /// List the links that nobody has used yet, or take one back.
    Enrollments {
        /// The link's id, as the list has it.
        #[arg(long, value_name = "ID")]
        take_back: Option<String>,
    },
    /// Hardware tokens: take them in from a file, give them to users.
    Tokens {
        #[command(subcommand)]
        command: TokensCommand,
    },
    /// What is asked of whom: for everybody, through an application, in a group.
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Approvals that let in again without another one.
    Remembered {
        #[command(subcommand)]
        command: RememberedCommand,
    },
    /// List what an administrator should look at, newest first.
    Incidents {
        /// Only of this kind.
        #[arg(long, value_name = "KIND", value_parser = words(IncidentKind::ALL, IncidentKind::as_str))]
        kind: Option<IncidentKind>,
        /// Only of this user.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// How many.
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// How people are reached: an SMTP server, gateways for SMS and calls, notices on phones.
    Delivery {
        #[command(subcommand)]
        command: DeliveryCommand,
    },
    /// Answer a user's pushes automatically, for tests.
    Script {
        /// The user's name.
        user: String,
        /// What is answered.
        #[arg(value_parser = ["approve", "deny", "fraud", "ignore", "none"])]
        answer: String,
        /// Milliseconds until the answer comes.
        #[arg(long, default_value_t = 0)]
        after_ms: u32,
    },
    /// List the applications, with what each does with unknown users and names.
    Applications,
    /// Show or change what an application does with unknown users and names.
    Application {
        /// The application's name, as `factor applications` shows it.
        name: String,
        #[command(flatten)]
        rules: ApplicationArgs,
    },
    /// Make an application for a client of Duo's API that is no section here, such as Duo Unix; prints
    /// its keys, once.
    AddApplication {
        /// What to call it.
        name: String,
        #[command(flatten)]
        rules: ApplicationArgs,
    },
    /// Delete an application that no section uses: what is signed with its keys is refused.
    DeleteApplication {
        /// The application's name, as `factor applications` shows it.
        name: String,
    },
    /// List the pushes that wait for an answer.
    Pushes,
    /// Approve a push: by its id, or the only one of a user.
    Approve {
        /// The push's id, or a user's name.
        which: String,
    },
    /// Deny a push: by its id, or the only one of a user.
    Deny {
        /// The push's id, or a user's name.
        which: String,
    },
    /// Report a push as fraud: by its id, or the only one of a user.
    Fraud {
        /// The push's id, or a user's name.
        which: String,
    },
}

/// What an application does with unknown users and names.
#[derive(Clone, Debug, Args)]
pub(crate) struct ApplicationArgs {
    /// What becomes of a user without a device, where no policy says so.
    #[arg(long, value_name = "WORD", value_parser = words(NewUserPolicy::ALL, NewUserPolicy::as_str))]
    pub(crate) new_users: Option<NewUserPolicy>,
    /// Whether names that no administrator made may enroll too. Whoever has a password and
    /// an alias that the directory takes could then enroll a device of their own.
    #[arg(long, value_name = "BOOL")]
    pub(crate) open_enrollment: Option<bool>,
    /// What is done to names: simple drops their domain.
    #[arg(long, value_name = "WORD", value_parser = words(UsernameNormalization::ALL, UsernameNormalization::as_str))]
    pub(crate) names: Option<UsernameNormalization>,
}

/// What changes of a user; what is not named stays.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct UserChangeArgs {
    /// How they are called; an empty text for nothing.
    #[arg(long, value_name = "TEXT")]
    pub(crate) full_name: Option<String>,
    /// Their e-mail address; an empty text for none.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// Another name that they log in with; may be given more than once.
    #[arg(long, value_name = "NAME")]
    pub(crate) add_alias: Vec<String>,
    /// A name that is theirs no more; may be given more than once.
    #[arg(long, value_name = "NAME")]
    pub(crate) remove_alias: Vec<String>,
    /// A group that they are in; may be given more than once.
    #[arg(long, value_name = "GROUP")]
    pub(crate) add_group: Vec<String>,
    /// A group that they are in no more, unless a directory says so; may be given more than once.
    #[arg(long, value_name = "GROUP")]
    pub(crate) remove_group: Vec<String>,
}

/// A device that is made.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeviceArgs {
    /// phone answers pushes, totp and hotp make passcodes from the time and from a counter, email
    /// gets passcodes.
    #[arg(value_parser = ["phone", "totp", "hotp", "email"])]
    pub(crate) kind: String,
    /// What to call it.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// A phone's number.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) number: String,
    /// What a phone can do, separated by commas: push, sms, phone [default: push].
    #[arg(long, value_name = "WORDS", value_delimiter = ',', value_parser = ["push", "sms", "phone"])]
    pub(crate) can: Vec<String>,
    /// The address of an email.
    #[arg(long, value_name = "ADDRESS", required_if_eq("kind", "email"))]
    pub(crate) address: Option<String>,
    /// The hash of a totp [default: SHA1, which every app knows].
    #[arg(long, value_name = "HASH", value_parser = words(OtpAlgorithm::ALL, OtpAlgorithm::as_str))]
    pub(crate) algorithm: Option<OtpAlgorithm>,
    /// How long the passcodes of a totp or hotp are: 6 to 8 [default: 6].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(6..=8))]
    pub(crate) digits: Option<u32>,
    /// For how many seconds a passcode of a totp is: 15 to 300 [default: 30].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(15..=300))]
    pub(crate) period: Option<u32>,
    /// The next counter of a hotp [default: 0].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) counter: Option<u32>,
    /// A file with the secret of a totp or hotp in base32; - is standard input [default: a new one].
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::Cli;

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_asked() {
        for (line, good) in [
            ("users --search a --status locked_out --group b", true),
            ("users --status happy", false),
            ("add alice --alias a --alias b --group c", true),
            ("change alice --email", false),
            ("change alice", false),
            ("change alice --email=", true),
            ("set-status alice bypass --for 8h", true),
            ("set-status alice bypass --for 8", false),
            ("add-device alice totp --digits 9", false),
            ("add-device alice totp --algorithm SHA512 --period 60", true),
            ("add-device alice email", false),
            ("add-device alice email --address a@example.com", true),
            ("add-device alice phone --can push,sms", true),
            ("add-device alice phone --can fly", false),
            ("add-device alice hotp --secret JBSWY3DP", false),
            ("add-application", false),
            ("add-application shells --new-users deny", true),
            ("delete-application shells", true),
            ("invite", false),
            ("invite alice bob", true),
            ("invite --group staff --by-email", true),
            ("invite alice --group staff", false),
            ("policy set", false),
            ("policy set --factors push,passcode", true),
            ("policy set --factors", false),
            ("policy set --rank 5", false),
            ("policy set --group staff --rank 5", true),
            (
                "policy set --group a --application b --remember-hours 1",
                false,
            ),
            ("policy set --remember-hours 721", false),
            ("policy set --inherit factors --inherit exempt", true),
            ("policy set --inherit rank", false),
            ("remembered forget", false),
            ("remembered forget RM1", true),
            ("remembered forget --user alice", true),
            ("delivery set smtp --host h --from a@example.com", true),
            (
                "delivery set smtp --host h --from a@example.com --password x",
                false,
            ),
            (
                "delivery set smtp --host h --from a@example.com --password-file f",
                false,
            ),
            ("delivery set sms --url https://h/", false),
            (
                "delivery set sms --url https://h/ --field to={number}",
                true,
            ),
            ("delivery set sms --url https://h/ --field to", false),
            ("delivery clear web-push", true),
            ("delivery test sms +1", true),
            ("delivery test web_push x", false),
        ] {
            let words = ["countersign", "factor"].into_iter().chain(line.split(' '));
            let read = Cli::try_parse_from(words);
            assert_eq!(read.is_ok(), good, "{line}: {read:?}");
        }
    }
}
