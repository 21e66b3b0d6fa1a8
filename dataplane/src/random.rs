//! The only place of this crate that draws random octets. Everything that decides is handed them.

/// Fills the octets from the system.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn fill(octets: &mut [u8]) -> Result<(), getrandom::Error> {
    #[cfg(test)]
    if crate::simulation::outside::random(octets) {
        return Ok(());
    }
    getrandom::fill(octets)
}

/// A number; zero where the system gives none, so only for what may as well be zero.
pub(crate) fn number() -> u32 {
    let mut octets = [0; 4];
    match fill(&mut octets) {
        Ok(()) => u32::from_ne_bytes(octets),
        Err(_) => 0,
    }
}
