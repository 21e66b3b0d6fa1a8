//! Users by the many: files of them, directories, and how they are found.

use serde::{Deserialize, Serialize};

/// Which users are listed: `GET /users?after=NAME&limit=N&search=TEXT&status=WORD&group=NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UserQuery {
    /// The `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many, at most 500; none is 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only those with this in their name, full name, e-mail address or an alias, whatever its case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only those of this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<super::UserStatus>,
    /// Only those of this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Takes in users of a CSV file: nothing of it when a line is not possible, or else all of it, in parts.
///
/// The first line names the columns, in any order: `username` (the only one that must be there),
/// `full_name`, `email`, `number`, `status`, `aliases` and `groups` (both separated by `;`). A user who
/// is there already is changed in what a line says; an empty field says nothing. `number` makes a phone
/// for passcodes by SMS where the user has none of that number, in place of the one that a file said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportUsers {
    /// The file: UTF-8, at most 4 MiB and 50,000 lines.
    pub csv: String,
    /// Whether it is only said what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of many users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserChanges {
    /// Whether it was done; not in a dry run, nor when anything of a file is refused.
    pub done: bool,
    /// Users that are new.
    pub created: Vec<String>,
    /// Users that are changed, and in what.
    pub changed: Vec<ChangedUser>,
    /// Those of `changed` who could log in before and may not from now on, since the file says so, or the
    /// directory shuts them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<String>,
    /// Users of this list that no list of a directory has any more, by what becomes of them.
    pub missing: Vec<String>,
    /// People of the directory whose name to log in with is blank or no text, and who are left out: a user by
    /// such an entry is missing. The control plane says it, which has the directory listed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub nameless: u64,
    /// How many are as they were.
    pub unchanged: u64,
    /// What is not possible, each with its remedy. Of a file nothing is done then; of a directory the rest is.
    pub refused: Vec<RefusedUser>,
    /// Why nothing at all is done unless it is said that it is meant (`force`): where a dry run says that, the
    /// deed is refused with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_force: Option<String>,
}

const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A user that is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangedUser {
    /// The user's name, before.
    pub name: String,
    /// What the user is called from now on, where that is another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// The fields that change: `name`, `full_name`, `email`, `status`, `aliases`, `groups`, `phones`,
    /// `source`; `lists` where a directory's list has the user, or has it no more, and nothing else changes.
    pub fields: Vec<String>,
}

impl ChangedUser {
    /// What the user is called from now on.
    #[must_use]
    pub fn called(&self) -> &str {
        self.now.as_ref().unwrap_or(&self.name)
    }
}

/// A line of a file or an entry of a directory that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedUser {
    /// The line of the file, the first being 1; none for a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What was meant, as far as it can be told.
    pub name: String,
    /// Why, for a person.
    pub why: String,
}

words! {
    /// What came of a synchronization.
    SyncOutcome {
        /// All of it was done.
        Done = "done",
        /// What was not possible was left out.
        Partly = "partly",
        /// It would have done more harm than was meant, perhaps.
        Refused = "refused",
        /// The directory was not listed, or the users not written.
        Failed = "failed",
    }
}

/// The last synchronization of a list of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastSync {
    /// The list ([`SyncUsers::source`]).
    pub source: String,
    /// When, in seconds since 1970, UTC.
    pub at: u64,
    /// What came of it.
    pub outcome: SyncOutcome,
    /// What was left out or went wrong, for a person; empty when it was done.
    #[serde(default)]
    pub why: String,
    /// When users were last brought in line with it, in seconds since 1970, UTC.
    pub taken_at: u64,
    /// How many people it had then.
    pub people: u64,
}

/// A list that could not be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FailedSync {
    /// The list ([`SyncUsers::source`]). One that was never synchronized is not noted.
    pub source: String,
    /// Why, for a person.
    pub why: String,
}

macro_rules! missing {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// What becomes of users whom the directory has no more, or not in that group.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum WhenMissing {
            $($(#[$doc])* #[serde(rename = $text)] $variant),+
        }
        impl WhenMissing {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
            /// Reads that name.
            #[must_use]
            pub fn from_name(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|found| found.as_str() == text)
            }
        }
    };
}

missing! {
    /// They are disabled; back in the directory, they are active again.
    #[default]
    Disable = "disable",
    /// They are deleted, with their devices.
    Delete = "delete",
    /// They stay.
    Keep = "keep",
}

/// Brings users in line with a list of a directory: all of its people, or those of a group. Who is known
/// by the directory's id is that user, whatever the name; else who has the name. Users that an
/// administrator made are taken over by name. What is not possible is said and left out. What an entry
/// leaves empty stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SyncUsers {
    /// Whose users they are: the section, such as `ad_client`. 1 to 256 characters.
    pub directory: String,
    /// What tells this list from others: the section and the group, such as `ad_client/cn=vpn,dc=example`.
    /// 1 to 256 characters.
    pub source: String,
    /// The group that each of them is in here; none for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// All of them, at most 100,000.
    pub entries: Vec<DirectoryUser>,
    /// What becomes of those of this list who are not among them, and on no other list.
    #[serde(default)]
    pub missing: WhenMissing,
    /// Whether more than half of the list's users may be disabled, deleted or taken off it at once, where
    /// there are ten or more. A directory that answers half is then believed. Without, that is refused.
    #[serde(default)]
    pub force: bool,
    /// Whether names are believed where ids or directories differ.
    #[serde(default)]
    pub take_over: bool,
    /// Whether the list is none from now on: without entries, and with `force`.
    #[serde(default)]
    pub forget: bool,
    /// Whether it is only said what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// A person of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DirectoryUser {
    /// What the directory tells them from everybody else by, whatever their name, such as
    /// `objectGUID=…`; empty where it does not say.
    #[serde(default)]
    pub id: String,
    /// The name that they log in with.
    pub name: String,
    /// How they are called; may be empty.
    #[serde(default)]
    pub full_name: String,
    /// Their e-mail address; may be empty.
    #[serde(default)]
    pub email: String,
    /// Their mobile number; may be empty.
    #[serde(default)]
    pub number: String,
    /// Other names that they log in with, such as the user principal name.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whether the directory says that they may not log in.
    #[serde(default)]
    pub disabled: bool,
}

/// Brings users in line with a directory that the gateway asks: the request of the control plane's
/// `POST /api/v1/second-factor/sync`, answered with [`UserChanges`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SyncDirectory {
    /// The section of the directory, such as `ad_client`.
    pub ad_client: String,
    /// The name of the group's entry there: its members are taken, those of groups in it where the section
    /// says `nested_groups`. None takes all whom the section lets log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_dn: Option<String>,
    /// The group that each of them is in here; none for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What becomes of those who came from there and are there no more.
    #[serde(default)]
    pub missing: WhenMissing,
    /// Whether a mobile number in the directory makes a phone for passcodes by SMS. A user with a phone is
    /// not shown where to enroll: for where an SMS gateway is set up.
    #[serde(default)]
    pub phones: bool,
    /// Whether more than half of them may be disabled, deleted or taken off the list at once, where there
    /// are ten or more.
    #[serde(default)]
    pub force: bool,
    /// Whether names are believed where the directory's ids are others than before, or another section has
    /// the users: for a directory that was loaded anew or has moved. Each is then who has the name here, with
    /// the devices.
    #[serde(default)]
    pub take_over: bool,
    /// Whether the list is not to be synchronized any more: no directory is asked, and who is on no other
    /// list is missing. The section need not be there any more.
    #[serde(default)]
    pub forget: bool,
}
