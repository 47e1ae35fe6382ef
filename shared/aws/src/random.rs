//! Random numbers and fresh ids: pure logic has them as arguments.

use uuid::Uuid;

/// A number in 0..1 for jitter.
#[must_use]
pub fn chance() -> f64 {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    // The first 32 bits of a version 4 UUID are all random.
    let bits = u32::try_from(high >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

/// A fresh id that sorts by time.
#[must_use]
pub fn fresh_id() -> Uuid {
    Uuid::now_v7()
}

/// A token that no other holder of a lease has.
#[must_use]
pub fn owner_token() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A secret of 48 hex digits, which cannot be guessed.
#[must_use]
pub fn secret() -> String {
    // The last 48 bits of a version 4 UUID are all random.
    let part = || Uuid::new_v4().as_u64_pair().1 & 0xffff_ffff_ffff;
    (0..4).map(|_| format!("{:012x}", part())).collect()
}
