//! `/overview`: how things went in the last minutes, for whoever looks at everything at once. The
//! documents are here; [`crate::overview`] makes them.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use http::{Method, StatusCode};
use proto::event::{Outcome, Reason, Stage};
use proto::id::{AuthenticatorId, IntegrationId, LoginId, NodeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::openapi::Api;
use super::problem::{Kind, Problem};
use crate::app::App;

/// Its route.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/overview", get(overview))
}

/// What the OpenAPI document says of it. It is in the group of [`super::events`].
pub(super) fn document(api: &mut Api) {
    api.route(
        &Method::GET,
        "/overview",
        "getOverview",
        "How the last minutes went",
    )
    .about(
        "Counts are exact; times, authenticators and second factors are told from the newest events \
         (`sampled`). Tests are in none of it. It is made anew every few seconds at the most.",
    )
    .query::<Window>()
    .answers::<Overview>(StatusCode::OK, "How they went.")
    .problems(&[Kind::Unavailable]);
}

/// The last how many minutes.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// How many, 5 to 1,440, rounded up to 15, 60, 360 or 1,440; default 60.
    #[schemars(range(min = 5, max = 1440))]
    minutes: Option<u32>,
}

impl Window {
    fn minutes(self) -> Result<u32, Problem> {
        let minutes = self.minutes.unwrap_or(DEFAULT_MINUTES);
        match (LEAST_MINUTES..=MOST_MINUTES).contains(&minutes) {
            true => {
                let window = WINDOWS.iter().find(|window| minutes <= **window);
                Ok(window.copied().unwrap_or(MOST_MINUTES))
            }
            false => Err(Problem::new(
                Kind::BadRequest,
                format!("minutes is {LEAST_MINUTES} to {MOST_MINUTES}, not {minutes}"),
            )),
        }
    }
}

/// How the last minutes went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(extend("examples" = [example()]))]
pub(crate) struct Overview {
    /// Where the first bucket begins: milliseconds since 1970, UTC.
    pub(crate) since_ms: u64,
    /// When this was made; the last bucket is mostly not over then.
    pub(crate) until_ms: u64,
    /// How long a bucket is.
    pub(crate) bucket_ms: u64,
    /// How requests ended, bucket by bucket, those without any among them; 120 at most.
    pub(crate) buckets: Vec<Bucket>,
    /// Why requests were rejected or not answered: the ten most frequent reasons.
    pub(crate) reasons: Vec<ReasonCount>,
    /// What the fields below are told from.
    pub(crate) sampled: Sampled,
    /// How long logins waited, by stage, in the order of a login. Stages that none of them came to
    /// are left out.
    pub(crate) stages: Vec<StageTimes>,
    /// The authenticators that were asked, those that fail first; 100 at most.
    pub(crate) authenticators: Vec<AuthenticatorHealth>,
    /// The second factors that were asked, by integration, those that fail first; 100 at most.
    pub(crate) second_factor: Vec<SecondFactorHealth>,
    /// Certificates with their ends, the first to end first; 100 at most.
    pub(crate) certificates: Vec<CertificateEnd>,
    /// Clients whose requests cannot be required to have a Message-Authenticator yet.
    pub(crate) unsigned_clients: UnsignedClients,
}

/// How requests of one span of time ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "OverviewBucket")]
pub(crate) struct Bucket {
    /// Where it begins: milliseconds since 1970, UTC; a multiple of its length.
    pub(crate) at_ms: u64,
    /// Answered with an accept.
    pub(crate) accept: u64,
    /// Answered with a reject.
    pub(crate) reject: u64,
    /// Answered with a question.
    pub(crate) challenge: u64,
    /// Not answered.
    pub(crate) unanswered: u64,
}

/// How often one reason was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ReasonCount {
    /// The reason.
    pub(crate) reason: Reason,
    /// Whether those requests were rejected or not answered.
    pub(crate) outcome: Outcome,
    /// How many there were.
    pub(crate) count: u64,
}

/// How much of the window was looked at one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "OverviewSample")]
pub(crate) struct Sampled {
    /// Events that were looked at: the newest.
    pub(crate) events: u64,
    /// Events that there are.
    pub(crate) of: u64,
}

/// How long logins waited at one stage. Waits of one login at one stage are added up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct StageTimes {
    /// `primary`, `preauth` or `factor`. The last one waits for a person.
    pub(crate) stage: Stage,
    /// How many requests came to it.
    pub(crate) count: u64,
    /// Half of them waited no longer: microseconds.
    pub(crate) p50_us: u64,
    /// Nine of ten waited no longer.
    pub(crate) p90_us: u64,
    /// 99 of 100 waited no longer.
    pub(crate) p99_us: u64,
    /// The same in each bucket in which there were any.
    pub(crate) buckets: Vec<StageBucket>,
}

/// How long logins of one bucket waited at one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct StageBucket {
    /// Where the bucket begins, as in `buckets` above.
    pub(crate) at_ms: u64,
    /// How many requests came to the stage.
    pub(crate) count: u64,
    /// Half of them waited no longer: microseconds.
    pub(crate) p50_us: u64,
    /// Nine of ten waited no longer.
    pub(crate) p90_us: u64,
    /// 99 of 100 waited no longer.
    pub(crate) p99_us: u64,
}

/// How an authenticator was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct AuthenticatorHealth {
    /// Which one.
    pub(crate) id: AuthenticatorId,
    /// Requests for which it was asked.
    pub(crate) asked: u64,
    /// Those that it could not decide. A wrong password is no failure.
    pub(crate) failed: u64,
    /// Those of the failed ones for which no host of it answered; for the others its settings are
    /// wrong.
    pub(crate) unavailable: u64,
    /// The newest one that failed.
    pub(crate) last_failure: Option<LastFailure>,
}

/// How the second factor of an integration was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct SecondFactorHealth {
    /// The integration.
    pub(crate) integration: IntegrationId,
    /// The second factor's host now; none when the integration is gone.
    pub(crate) host: Option<String>,
    /// Requests for which it was asked.
    pub(crate) asked: u64,
    /// Those that it could not decide. A login that somebody denied is no failure.
    pub(crate) failed: u64,
    /// Those of the failed ones for which it did not answer; for the others it refused the request,
    /// or its answer could not be read.
    pub(crate) unavailable: u64,
    /// Those of the failed ones that were accepted, since `fail_mode` is `safe`.
    pub(crate) fail_mode_used: u64,
    /// How long half of the requests waited at most for its first answer, which waits for no person:
    /// microseconds. None when it gave none.
    pub(crate) p50_us: Option<u64>,
    /// The newest one that failed.
    pub(crate) last_failure: Option<LastFailure>,
}

/// A login that failed for want of an authenticator or a second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct LastFailure {
    /// When its request arrived: milliseconds since 1970, UTC.
    pub(crate) at_ms: u64,
    /// The login, for `/events/{id}`.
    pub(crate) event: LoginId,
    /// The data plane that served it.
    pub(crate) node: NodeId,
    /// What came of asking, as its timeline says it.
    pub(crate) detail: String,
}

/// Until when a certificate is good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) struct CertificateEnd {
    /// Until when it is good: milliseconds since 1970, UTC.
    pub(crate) not_after_ms: u64,
    /// What it is for.
    pub(crate) what: CertificateUse,
    /// The node, the integration or the address that it is for.
    pub(crate) name: String,
    /// The node that has it; none of a control plane's.
    pub(crate) node: Option<NodeId>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertificateUse {
    /// An integration shows it to supplicants.
    Eap,
    /// A node of another machine shows it to the control plane; renewed by itself.
    Node,
    /// The control plane shows it to whoever calls its admin address.
    Admin,
}

/// Clients that have not shown that they always send a Message-Authenticator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct UnsignedClients {
    /// How many there are.
    pub(crate) count: u64,
    /// Those that were without one last; 20 at most. All are at `/clients/seen?unsigned=true`.
    pub(crate) first: Vec<UnsignedClient>,
}

/// A client that was without a Message-Authenticator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct UnsignedClient {
    /// The integration that it asks.
    pub(crate) integration: IntegrationId,
    /// Its address.
    pub(crate) address: std::net::IpAddr,
    /// When a request of it was last without one: milliseconds since 1970, UTC.
    pub(crate) last_unsigned_ms: u64,
    /// When a request of it last had one; none when none had.
    pub(crate) last_signed_ms: Option<u64>,
}

async fn overview(
    State(app): State<Arc<App>>,
    window: Result<Query<Window>, QueryRejection>,
) -> Result<Json<Arc<Overview>>, Problem> {
    let Query(window) =
        window.map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))?;
    let minutes = window.minutes()?;
    app.overviews.of(&app, minutes).await.map(Json)
}

fn example() -> serde_json::Value {
    serde_json::json!({
        "since_ms": 1_763_820_000_000_u64, "until_ms": 1_763_820_299_000_u64, "bucket_ms": 300_000,
        "buckets": [{"at_ms": 1_763_820_000_000_u64, "accept": 41, "reject": 3, "challenge": 0, "unanswered": 1}],
        "reasons": [{"reason": "wrong_password", "outcome": "reject", "count": 2}],
        "sampled": {"events": 45, "of": 45},
        "stages": [{
            "stage": "primary", "count": 44, "p50_us": 1_800, "p90_us": 3_100, "p99_us": 9_000,
            "buckets": [{"at_ms": 1_763_820_000_000_u64, "count": 44, "p50_us": 1_800, "p90_us": 3_100, "p99_us": 9_000}],
        }],
        "authenticators": [{
            "id": "ad_client", "asked": 44, "failed": 1, "unavailable": 1,
            "last_failure": {
                "at_ms": 1_763_820_120_000_u64, "event": "0193a5b0c1d27e8f90a1b2c3d4e5f607",
                "node": "gw1", "detail": "no answer: dc1.example.com:636 refused the connection",
            },
        }],
        "second_factor": [{
            "integration": "radius_server_auto", "host": "api-xxxxxxxx.duosecurity.com", "asked": 41,
            "failed": 0, "unavailable": 0, "fail_mode_used": 0, "p50_us": 96_000, "last_failure": null,
        }],
        "certificates": [{
            "not_after_ms": 1_771_545_600_000_u64, "what": "eap", "name": "radius_server_eap", "node": "gw1",
        }],
        "unsigned_clients": {"count": 1, "first": [{
            "integration": "radius_server_auto", "address": "192.0.2.7",
            "last_unsigned_ms": 1_763_820_120_000_u64, "last_signed_ms": null,
        }]},
    })
}

/// For how many minutes one is made: few, so that who looks shares it with others.
pub(crate) const WINDOWS: [u32; 4] = [15, DEFAULT_MINUTES, 360, MOST_MINUTES];
const LEAST_MINUTES: u32 = 5;
const DEFAULT_MINUTES: u32 = 60;
/// A day.
pub(crate) const MOST_MINUTES: u32 = 1_440;
