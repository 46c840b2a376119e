//! The sizes of the benchmarks.

/// The names of the benchmarks state the full sizes.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// How often each side of a comparison runs.
    pub rounds: usize,
    /// Rows of a large roster.
    pub large: u64,
    /// Rows of a medium roster.
    pub medium: u64,
    /// Rows of the largest roster.
    pub huge: u64,
    /// Rows of a tenant's first roster, in any order: a small and a large one.
    pub first: [u64; 2],
    /// Rows of the rosters of increasing size. The bound on the time per row applies from the second on.
    pub scale: [u64; 4],
    /// Passwords over which the rate of the hashing queue is measured.
    pub hashes: u64,
    /// Small rosters, posted one after another.
    pub posts: u64,
    /// Tenants that post at the same time.
    pub tenants: u64,
}

impl Sizes {
    /// The sizes for which the bounds are meant.
    pub fn full() -> Self {
        Self {
            rounds: 3,
            large: 1_000_000,
            medium: 100_000,
            huge: 10_000_000,
            first: [60_000, 500_000],
            scale: [10_000, 100_000, 1_000_000, 5_000_000],
            hashes: 2_000,
            posts: 200,
            tenants: 500,
        }
    }

    /// Small sizes, which only show that every benchmark runs.
    pub fn quick() -> Self {
        Self {
            rounds: 2,
            large: 20_000,
            medium: 5_000,
            huge: 50_000,
            first: [6_000, 12_000],
            scale: [1_000, 5_000, 20_000, 50_000],
            hashes: 100,
            posts: 30,
            tenants: 50,
        }
    }
}
