//! What browsers send. Nobody has shown a credential before a form is read, so these bodies have places
//! of their own, few of them for an address: the API's have their room whatever strangers hold open.

use bytes::Bytes;
use hyper::body::{Body, Incoming};

use super::{ApiError, read};
use crate::doors::Origin;
use crate::service::Service;

/// Reads what a page sent.
///
/// # Errors
/// [`ApiError::TooLong`] over 32 KiB; [`ApiError::Invalid`] when it breaks off or takes too long;
/// [`ApiError::TooMany`] when too many are being read, of this address or in all.
pub(crate) async fn form_of(
    service: &Service,
    origin: Origin,
    body: Incoming,
) -> Result<Bytes, ApiError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let _place = service.forms.enter(origin).ok_or(ApiError::TooMany)?;
    read(body, FORM_OCTETS).await
}

/// The longest form, in octets; a passkey's answer is the longest of them, with a few thousand.
const FORM_OCTETS: usize = 32 * 1024;
