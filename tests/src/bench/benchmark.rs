//! The benchmarks by name.

use clap::ValueEnum;

/// What can be measured, by the name it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Benchmark {
    /// A million new users
    #[value(name = "create_1m")]
    Create,
    /// The same file again
    #[value(name = "unchanged_1m")]
    Unchanged,
    /// Again, with one row in a hundred changed
    #[value(name = "changed_1pct")]
    Changed,
    /// A million new users, one row in a hundred contested, against none
    #[value(name = "contested_1pct")]
    Contested,
    /// Every row contested: what a row costs among 200,000, against 100,000
    #[value(name = "contested_all")]
    ContestedAll,
    /// A million memberships
    #[value(name = "groups_1m")]
    Groups,
    /// A GET of a million details, against three seconds
    #[value(name = "details_1m")]
    Details,
    /// 100,000 new users with passwords, to the result, against none with
    #[value(name = "passwords_100k")]
    Passwords,
    /// The queue behind them, against as many single threads as there are cores
    #[value(name = "hashing")]
    Hashing,
    /// 100 new users, 200 times: p50 against the bare transaction, p99 against p50
    #[value(name = "small_sync")]
    SmallSync,
    /// 500 tenants post 500 new users each at once, against the rows per second of `create_1m`
    #[value(name = "schools_500")]
    Schools,
    /// A tenant's 100 new users while another's million is imported, against `small_sync`
    #[value(name = "neighbour")]
    Neighbour,
    /// What a row costs among 10,000, 100,000, a million and five, against the cheapest
    #[value(name = "scale")]
    Scale,
    /// Peak resident memory at five million rows, against the limits
    #[value(name = "memory")]
    Memory,
    /// Arrays through `unnest` against COPY, in SQL alone
    #[value(name = "bulk_arrays_vs_copy")]
    Bulk,
}
