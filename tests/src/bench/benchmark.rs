//! The names of the benchmarks, as given on the command line.

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Benchmark {
    /// A million new users
    #[value(name = "create_1m")]
    Create,
    /// The same file again
    #[value(name = "unchanged_1m")]
    Unchanged,
    /// The same file again, with one row in a hundred changed
    #[value(name = "changed_1pct")]
    Changed,
    /// A million new users with one contested row in a hundred, against none contested
    #[value(name = "contested_1pct")]
    Contested,
    /// Every row contested: the time per row of 200,000 rows, against 100,000
    #[value(name = "contested_all")]
    ContestedAll,
    /// A million new users of a real district's shape, beside another district's million
    #[value(name = "real_create_1m")]
    RealCreate,
    /// The same file again
    #[value(name = "real_unchanged_1m")]
    RealUnchanged,
    /// The same file again, with one row in a hundred changed
    #[value(name = "real_1pct_1m")]
    RealOnePercent,
    /// The year's rollover: every row has another form class
    #[value(name = "real_rollover_1m")]
    RealRollover,
    /// The next file: 7 users in a hundred are new, 7 are absent, 12 have changed
    #[value(name = "real_turnover_1m")]
    RealTurnover,
    /// A million memberships of such a district, in random order
    #[value(name = "real_groups_1m")]
    RealGroups,
    /// 100,000 new users of such a district with passwords, until the result, against users without passwords
    #[value(name = "real_passwords_100k")]
    RealPasswords,
    /// Ten million users of such a district, new and again: the time per row against a million's, and the peak memory
    #[value(name = "real_10m")]
    RealTenMillion,
    /// A tenant's first 60,000 users in random order, against sorted: in an empty database, beside another tenant, and with
    /// wrong statistics
    #[value(name = "first_60k")]
    FirstSmall,
    /// A tenant's first 500,000 users in random order, against sorted
    #[value(name = "first_500k")]
    FirstLarge,
    /// A million memberships
    #[value(name = "groups_1m")]
    Groups,
    /// A GET of a million details, against a limit of three seconds
    #[value(name = "details_1m")]
    Details,
    /// 100,000 new users with passwords, until the result, against users without passwords
    #[value(name = "passwords_100k")]
    Passwords,
    /// The rate of the hashing queue, against a single thread's rate times the number of cores
    #[value(name = "hashing")]
    Hashing,
    /// 100 new users, 200 times: p50 against the bare transaction, p99 against p50
    #[value(name = "small_sync")]
    SmallSync,
    /// What row-level security costs: a million new users, and 100 new users, against the same as the owner of the tables
    #[value(name = "isolation")]
    Isolation,
    /// 500 tenants post 500 new users each at once, against the rows per second of `real_create_1m`
    #[value(name = "schools_500")]
    Schools,
    /// 100 new users of one tenant during the import of another tenant's million, against `small_sync`
    #[value(name = "neighbour")]
    Neighbour,
    /// The time per row of 10,000, 100,000, one million and five million rows, against the lowest
    #[value(name = "scale")]
    Scale,
    /// Peak resident memory at five million rows, against its limits
    #[value(name = "memory")]
    Memory,
    /// Arrays through `unnest` against COPY, in plain SQL without the service
    #[value(name = "bulk_arrays_vs_copy")]
    Bulk,
}
