//! How large everything is.

/// Rows, rounds and repetitions of the benchmarks. Their names say the full sizes.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// How often each side of a comparison runs.
    pub rounds: usize,
    /// Rows of a large roster.
    pub large: u64,
    /// Rows of a middling roster.
    pub middling: u64,
    /// Rosters of growing size, in rows; what is said of growth holds from the second on.
    pub growing: [u64; 4],
    /// Passwords hashed while the queue is watched.
    pub hashes: u64,
    /// Small rosters posted one after another.
    pub posts: u64,
    /// Tenants that post at once.
    pub schools: u64,
}

impl Sizes {
    /// Those that the bounds are meant for.
    pub fn full() -> Self {
        Self {
            rounds: 3,
            large: 1_000_000,
            middling: 100_000,
            growing: [10_000, 100_000, 1_000_000, 5_000_000],
            hashes: 2_000,
            posts: 200,
            schools: 500,
        }
    }

    /// Small ones, which show that everything still runs.
    pub fn quick() -> Self {
        Self {
            rounds: 2,
            large: 20_000,
            middling: 5_000,
            growing: [1_000, 5_000, 20_000, 50_000],
            hashes: 100,
            posts: 30,
            schools: 50,
        }
    }
}
