//! The ends of the certificates that the control plane knows of.

use crate::api::overview::{CertificateEnd, CertificateUse};
use crate::api::problem::Problem;
use crate::app::App;

/// All of them, the first to end first.
pub(super) async fn all(app: &App) -> Result<Vec<CertificateEnd>, Problem> {
    let joined = app.store.list_certificates().await;
    let joined = joined.map_err(|error| Problem::internal(&error))?;
    let mut all: Vec<CertificateEnd> = joined
        .into_iter()
        .map(|(node, not_after_ms)| CertificateEnd {
            not_after_ms,
            what: CertificateUse::Node,
            name: node.to_string(),
            node: Some(node),
        })
        .collect();
    let (nodes, _) = app.nodes.list();
    for report in nodes {
        let shown = report
            .status
            .into_iter()
            .flat_map(|status| status.certificates);
        all.extend(shown.map(|one| CertificateEnd {
            not_after_ms: millis(one.not_after),
            what: CertificateUse::Eap,
            name: one.integration,
            node: Some(report.node.clone()),
        }));
    }
    let served = app.admin_certificates.iter();
    all.extend(served.map(|served| CertificateEnd {
        not_after_ms: millis(served.not_after),
        what: CertificateUse::Admin,
        name: served.address.to_string(),
        node: None,
    }));
    all.sort();
    all.truncate(super::TOLD);
    Ok(all)
}

/// Seconds since 1970 as milliseconds; zero before that.
fn millis(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}
