//! Fast hashes with a random seed: fingerprints of events, and maps whose keys a peer chooses.
//!
//! In: bytes · Out: 64 bits · Thread: any (plain data).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::quality::{FoldHasher, SeedableRandomState};

/// Makes hashers of one seed. Clones have the same seed, and give the same hashes.
#[derive(Clone)]
pub struct Seeded(SeedableRandomState);

impl Seeded {
    /// With a new seed from the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        static SHARED: OnceLock<SharedSeed> = OnceLock::new();
        let random = || RandomState::new().hash_one(0);
        let shared = SHARED.get_or_init(|| SharedSeed::from_u64(random()));
        Self(SeedableRandomState::with_seed(random(), shared))
    }
}

impl Default for Seeded {
    fn default() -> Self {
        Self::random()
    }
}

impl BuildHasher for Seeded {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> FoldHasher<'static> {
        self.0.build_hasher()
    }
}

impl fmt::Debug for Seeded {
    /// Without the seed: a peer that knew it could prepare collisions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seeded").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_agree_and_others_do_not() {
        let one = Seeded::random();
        assert_eq!(one.hash_one("body"), one.clone().hash_one("body"));
        assert_ne!(one.hash_one("body"), Seeded::random().hash_one("body"));
        assert_ne!(one.hash_one("body"), one.hash_one("bodz"));
    }
}
