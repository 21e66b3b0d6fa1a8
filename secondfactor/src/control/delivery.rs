//! How people are reached.

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::refusal::Refusal;
use super::{Answered, Control, Try};
use crate::admin::{ChangeDelivery, Delivery, Done, TestDelivery};
use crate::service::{ChangeError, NotSent};

pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/delivery", get(delivery).post(change))
        .route(TEST, post(test))
}

async fn delivery(State(control): State<Control>) -> Json<Delivery> {
    Json(control.service.delivery())
}

async fn change(
    State(control): State<Control>,
    Query(try_it): Query<Try>,
    Json(change): Json<ChangeDelivery>,
) -> Answered<Delivery> {
    let service = &control.service;
    let delivery = service.change_delivery(change, try_it.attempt()).await?;
    Ok(Json(delivery))
}

async fn test(
    State(control): State<Control>,
    Query(try_it): Query<Try>,
    Json(test): Json<TestDelivery>,
) -> Answered<Done> {
    let service = &control.service;
    service.test_delivery(test, try_it.attempt()).await?;
    Ok(Json(Done {}))
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(text) => Self::Invalid(text),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<NotSent> for Refusal {
    fn from(error: NotSent) -> Self {
        match error {
            NotSent::Address(text) => Self::Invalid(text.to_owned()),
            NotSent::Full | NotSent::TooOften => Self::TooMany,
            NotSent::NotConfigured(_) | NotSent::Failed(_) => Self::Failed(error.to_string()),
        }
    }
}

/// What changes nothing, and may take longer than a handover waits for changes.
pub(super) const TEST: &str = "/delivery/test";
