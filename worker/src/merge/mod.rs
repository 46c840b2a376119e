//! Merging the chunks of an import: each chunk in one transaction, several chunks at the same time.
//!
//! | file | holds |
//! |---|---|
//! | [`chunk`] | a chunk: consecutive rows, and the users and barcodes that they may write |
//! | [`commit_order`] | which chunks are pending, and in which order they commit |
//! | [`parallel`] | starting chunks and waiting for them |
//! | [`transaction`] | one chunk, one transaction |
//! | [`error`] | why a chunk was not merged |
//!
//! # Rules
//!
//! A chunk's transaction writes its rows, their outcomes, the import's counters, and so the cursor. The last chunk's
//! transaction also finishes the import.
//!
//! 1. **Disjoint.** A chunk is started only when it shares no user and no barcode with any earlier chunk that has not
//!    committed ([`crate::rows::write_set::WriteSet`]). A user is shared if rows of both chunks name it, a barcode if
//!    rows of both claim it.
//! 2. **In order.** Chunks commit in file order. Before the last statements of its transaction, a chunk waits until
//!    every earlier chunk has committed ([`commit_order::CommitTicket`]).
//! 3. **Restart.** Write sets cannot foresee everything. If a row claims a barcode that is stored for a user whom an
//!    earlier pending chunk names, that chunk may be about to free it; if rows name presentation groups that do not exist
//!    while any earlier chunk is pending, that chunk may be about to create the same ones, or the last that the import may
//!    create. In both cases the transaction is rolled
//!    back ([`error::ChunkError::PredecessorPending`]), and merging starts again when all earlier chunks have committed.
//! 4. **Fence.** The last statement moves the import's cursor, but only if the import still has this attempt's number
//!    (the fencing token) and the cursor is right before the chunk. Otherwise the transaction is rolled back
//!    ([`error::ChunkError::LeaseLost`]).
//! 5. **Optimistic.** A user is written only if it has not changed since it was loaded. If it has, or if Postgres reports a
//!    unique violation, a deadlock or a serialisation failure, the transaction is rolled back
//!    ([`error::ChunkError::Conflict`]), and merging starts again after all earlier chunks have committed.
//! 6. **Census.** The rows of a large file have forecasts from a census that was taken after the claim
//!    ([`crate::users::forecast`], [`crate::memberships::census`]). A chunk relies on them unless an operator or another program
//!    has changed the tenant's users or removed memberships since, which it asks first, or it has started again after a
//!    conflict.
//!
//! # Why the outcome is that of one row after another
//!
//! Inside a chunk, [`crate::users::roster`] applies the rows one after another. Between chunks, let B be a chunk and A an
//! earlier one that is pending while B is merged; it must make no difference to B whether A has committed.
//!
//! - *Users.* What B reads and writes of a user depends on the users that its rows name. By rule 1, A names none of them
//!   and so changes none of them: a chunk writes only users that its rows name.
//! - *Barcodes.* A row of B that claims a barcode depends on its owner. If the owner is stored, it is named by A (then
//!   rule 3 restarts B) or it is not (then A does not change it). If no owner is stored, A could only create one by
//!   claiming the barcode, which rule 1 excludes. Freeing a barcode that B does not claim makes no difference to B.
//! - *Forecasts.* They say what a look-up by the chunk would find. A row is forecast to change nothing if its user had its
//!   digest at the census and no earlier row that is not such a row names the user. Then nothing has written the user until
//!   the chunk begins: no other chunk of the import (chunks write only users that their rows name), no other import (one runs
//!   at a time, and by rule 4 none that ran before commits any more), and no operator or other program (rule 6). A user or a barcode that is
//!   forecast to be new was not there at the census, and no earlier row names it. If it is there all the same, the unique index
//!   says so and rule 5 applies.
//! - *Presentation groups.* An existing group is never changed or deleted by an import. If B finds all its labels, A makes
//!   no difference; if it does not, rule 3 restarts B. How many groups the import has created is counted in its row, with
//!   the cursor: once A has committed, B reads there what all earlier rows have created, in this attempt or an earlier one.
//! - *Library and system groups.* No import creates, changes or deletes one, and a membership depends on no other.
//! - *Memberships.* One that the census counted is there until others than imports remove it (rule 6). One that it did not
//!   count and that is there by now violates the primary key, and rule 5 applies.
//!
//! The janitor deletes presentation groups that no user is in (`rollcall_schema::tenants::presentation_groups`), and there is
//! no foreign key that would stop it. It cannot delete one that a chunk has found and is about to refer to. It deletes in a
//! transaction that has locked the tenant's row and then found no unfinished import of the tenant. An import enters its
//! tenant's line, or returns to it, in a transaction that locks the same row. So either the import comes later, and its
//! chunks find only what the janitor left; or it had ended before, and by rule 4 no chunk of it commits any more.
//!
//! By rule 2 and the cursor in rule 4, what is committed is always the beginning of the file, and the cursor is a single
//! number. A worker that is killed at any point leaves whole chunks with their outcomes; the next claim of the import
//! resumes at the cursor.
//!
//! By rule 4, a worker that has lost its lease commits nothing more. The fence locks the import's row until the commit, so
//! a claim waits for it and then sees its result. It comes last, so that the row is locked only for the duration of a
//! commit, and chunks of one import can be merged at the same time.
//!
//! # Why there is no deadlock
//!
//! *Outside the database* a chunk waits only for earlier chunks, so there is no circle.
//!
//! *Inside the database* no pending chunk of an import waits for another one: they write different users, claim different
//! barcodes and insert memberships of different users; only the first pending chunk creates presentation groups or locks
//! the import's row.
//!
//! Other transactions that write users (the operator's command, the hashing of passwords) never wait for a chunk while
//! they hold what a chunk could want. Only a chunk of the tenant's *next* import can, if this import was cancelled or
//! taken over while a chunk was being merged. Therefore a chunk that waits for its predecessors checks its lease every
//! second and rolls back if it is lost. What then still meets is reported by Postgres as a deadlock, and rule 5 applies.

pub mod chunk;
pub mod commit_order;
pub mod error;
pub mod parallel;
pub mod transaction;
