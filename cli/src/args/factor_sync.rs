//! Arguments of `countersign factor sync`.

use clap::Args;
use proto::second_factor::WhenMissing;

use super::parse::words;

#[derive(Clone, Debug, Args)]
pub(crate) struct SyncArgs {
    /// The section of the directory.
    #[arg(value_name = "SECTION", default_value = "ad_client")]
    pub(crate) ad_client: String,
    /// Only members of this group, by the whole name of its entry: cn=…,dc=…
    #[arg(long, value_name = "DN")]
    pub(crate) group_dn: Option<String>,
    /// The group here that they are put in.
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// What becomes of those who came from there and are there no more.
    #[arg(long, value_name = "WHAT", default_value = "disable",
          value_parser = words(WhenMissing::ALL, WhenMissing::as_str))]
    pub(crate) missing: WhenMissing,
    /// Make a phone for passcodes by SMS of each mobile number; who has a phone is not shown where to
    /// enroll.
    #[arg(long)]
    pub(crate) phones: bool,
    /// Disable or delete more than half of them, or take them off the list, where there are ten or more.
    #[arg(long)]
    pub(crate) force: bool,
    /// Believe names where the directory's ids are others than before, or another section has the users:
    /// for a directory that was loaded anew or has moved.
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Synchronize that list no more: who came by it alone is missing. The directory is not asked.
    #[arg(long, conflicts_with_all = ["phones", "take_over", "group"])]
    pub(crate) forget: bool,
    /// Only say what came of the last synchronization of each list.
    #[arg(long, conflicts_with_all = ["forget", "force", "take_over", "phones", "group", "group_dn", "dry_run"])]
    pub(crate) last: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
