//! How the worker's statements are planned: as one index lookup for each key, whatever the statistics say.
//!
//! Statistics cannot be relied on. A first import runs before there are any, its chunks are planned while the table is
//! still empty and run while other chunks fill it, and a table that was analysed in the wrong moment is believed to hold one
//! row. Where the planner believes that, every index that begins with the tenant costs the same, and so does reading all
//! users of the tenant for each key.
//!
//! So a statement that looks up many keys has a form that leaves one plan:
//!
//! - The lookup is a lateral subselect with `limit 1`. It is not merged into the outer query, so it is run for each key.
//! - It says `key between k and k … order by key`, not `key = k`. Only the index on the key returns the rows in that order;
//!   with `key = k` every order is the same to the planner, and it may read another index and filter.
//! - An update takes the row's version (`ctid`) from such a lookup, in the same statement or an earlier one of its transaction,
//!   and has no other condition that an index could serve: `is true` hides the others. If another transaction has written that
//!   version, the row is not updated.
//!
//! The settings of [`plan_key_lookups`] exclude what is left. So a plan is as good for the next execution as for this one, and
//! each connection keeps it. A test explains the statements with missing and with wrong statistics.

use rollcall_schema::postgres::address::DatabaseAddress;

/// Plans every statement for lookups by key, a few thousand at a time: a worker runs no others.
pub fn plan_key_lookups(address: DatabaseAddress) -> DatabaseAddress {
    address
        // The planner would rather read a table of some hundred thousand rows completely, for every chunk: ten times the
        // work, measured with 400,000 users.
        .setting("enable_seqscan", "off")
        .setting("enable_hashjoin", "off")
        .setting("enable_mergejoin", "off")
        // Without statistics the planner expects the same row again and again, and would remember every row.
        .setting("enable_memoize", "off")
        // To plan a statement again costs a small import time and buys nothing. A plan that is kept never sees the values,
        // so it cannot depend on those of the first imports either.
        .setting("plan_cache_mode", "force_generic_plan")
        // A chunk's arrays become a table of some megabytes, which should stay in memory.
        .setting("work_mem", "32MB")
}
