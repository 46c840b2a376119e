//! Merges a chunk of users into the tenant's table: skip the rows that were applied before, load what the others can
//! touch, apply them in file order, and write what has changed. A handful of statements, whatever the number of rows.

use std::sync::Arc;

use futures_util::future::{try_join, try_join4};
use rollcall_schema::ids::{ImportId, UserId};
use rollcall_schema::imports::outcomes::ChunkOutcomes;
use rollcall_schema::imports::tally::Outcome;
use rollcall_schema::postgres::client::Session;
use tokio_postgres::Error;
use uuid::Uuid;

use super::chunk::UserChunk;
use super::copy::{COPY_USERS, copy_users};
use super::forecast::UserForecast;
use super::load::{
    BarcodeOwner, Foreknowledge, RangeProbe, compare_row_digests, count_new_groups, load_barcode_owners,
    load_groups, load_users, staged_user,
};
use super::roster::{Applied, BarcodeOwners, Passwords, Roster, StagedUser, Withheld};
use super::row::{Change, UserRow};
use super::write::{
    INSERT_PRESENTATION_GROUPS, UPDATE_ROW_DIGESTS, UPDATE_USERS, insert_groups, release_barcodes,
    update_row_digests, update_users,
};
use crate::blocking;
use crate::rows::merged::MergedRows;
use crate::rows::write_set::WriteSet;

/// Why a chunk of users was not merged. Its transaction must be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The effect of the rows depends on an earlier chunk that has not committed.
    #[error("an earlier chunk has not committed")]
    PredecessorPending,
    /// Another transaction changed a user after it was loaded.
    #[error("another transaction changed the chunk's users")]
    Conflict,
    #[error("a statement failed in the database")]
    Database(#[from] Error),
}

/// What holds for all rows of an import.
#[derive(Debug, Clone, Copy)]
pub struct ImportRules {
    pub import: ImportId,
    /// Whether rows leave `enabled` and the password of administrators alone.
    pub protect_administrators: bool,
    /// How many presentation groups the import may create.
    pub new_group_limit: usize,
}

/// Merges a chunk in its transaction. `foreknowledge` is the result of [`super::load::foresee`] in that transaction,
/// `predecessors` are the earlier chunks that may not have committed.
///
/// Two cases cannot be known before the rows are looked at, and fail with [`MergeError::PredecessorPending`]: a
/// predecessor may be about to take a barcode from its owner, and a predecessor may be about to create the same
/// presentation group, or the last one that the import may create.
pub async fn merge_in_txn(
    txn: &Session,
    passwords: Passwords<'_>,
    rules: ImportRules,
    first_row: u64,
    chunk: &UserChunk,
    foreknowledge: Foreknowledge,
    predecessors: &[Arc<WriteSet>],
) -> Result<MergedRows, MergeError> {
    let tenant = passwords.tenant;
    let known = match foreknowledge {
        Foreknowledge::Forecasts => KnownRows::foreseen(chunk),
        Foreknowledge::Probe(RangeProbe { usernames_free: true, .. }) => KnownRows::none(chunk),
        Foreknowledge::Probe(_) => KnownRows::compare(txn, &passwords, chunk).await?,
    };
    let rows = blocking::with_rows(chunk.len(), || known.rows_to_apply(chunk));

    let mut labels = set_values(rows.iter(), |row| row.presentation_group_label.as_deref());
    labels.sort_unstable();
    labels.dedup();
    let (stored, groups) =
        try_join(load_users(txn, tenant, &known.loaded_users), load_groups(txn, tenant, &labels)).await?;
    let users: Vec<StagedUser<'_>> = stored.iter().map(staged_user).collect::<Result<_, _>>()?;

    let mut barcode_owners: BarcodeOwners<'_> =
        users.iter().filter_map(|user| Some((user.profile.library_barcode?, user.id))).collect();
    let may_be_owned = |at: &&RowToApply<'_>| match foreknowledge {
        Foreknowledge::Forecasts => !chunk.claims_free_barcode(at.index),
        Foreknowledge::Probe(probe) => !probe.barcodes_free,
    };
    // Most users have the barcode already that their row claims.
    let mut claimed = set_values(rows.iter().filter(may_be_owned), |row| row.library_barcode.as_deref());
    claimed.retain(|barcode| !barcode_owners.contains_key(barcode));
    let owners = load_barcode_owners(txn, tenant, &claimed).await?;
    let owners = owners.iter().map(BarcodeOwner::from_row).collect::<Result<Vec<_>, _>>()?;
    if owners.iter().any(|owner| predecessors.iter().any(|chunk| chunk.has_user(owner.username_key))) {
        return Err(MergeError::PredecessorPending);
    }

    let new_group_limit = if groups.len() == labels.len() {
        0
    } else if predecessors.is_empty() {
        // All earlier rows of the file have committed, so the count is theirs.
        rules.new_group_limit.saturating_sub(count_new_groups(txn, tenant, rules.import).await?)
    } else {
        return Err(MergeError::PredecessorPending);
    };

    barcode_owners.extend(owners.iter().map(|owner| (owner.barcode, owner.user)));
    let groups = groups
        .iter()
        .map(|group| Ok((group.try_get(0)?, group.try_get::<_, Uuid>(1)?.into())))
        .collect::<Result<_, Error>>()?;
    let mut roster =
        Roster::new(passwords, rules.protect_administrators, users, barcode_owners, groups, new_group_limit);
    let (outcomes, warnings) =
        blocking::with_rows(rows.len(), || apply_rows(&mut roster, first_row, chunk.len(), &rows));

    let releasing: Vec<Uuid> = roster.releasing_barcodes().map(UserId::as_uuid).collect();
    let changed: Vec<_> = roster.changed().collect();
    let newly_digested: Vec<_> = roster.newly_digested().collect();
    let created: Vec<_> = roster.created().collect();
    let released = release_barcodes(txn, tenant, &releasing).await?;
    // Sent in this order without waiting for answers: users refer to the groups and take over the barcodes.
    txn.prepare(&[INSERT_PRESENTATION_GROUPS, UPDATE_USERS, UPDATE_ROW_DIGESTS, COPY_USERS]).await?;
    let ((), updated, (), ()) = try_join4(
        insert_groups(txn, tenant, roster.new_groups()),
        update_users(txn, tenant, &changed, &released),
        update_row_digests(txn, tenant, &newly_digested),
        copy_users(txn, &created),
    )
    .await?;
    if updated != changed.len() as u64 {
        return Err(MergeError::Conflict);
    }
    let sealed =
        |users: &[&StagedUser<'_>]| users.iter().filter(|user| user.password_sealed.is_some()).count();
    let sealed_passwords = (sealed(&created) + sealed(&changed)) as u64;
    Ok(MergedRows { outcomes, sealed_passwords, new_groups: roster.new_groups().len() as u64, warnings })
}

/// What is known about a chunk's rows before they are parsed.
struct KnownRows<'a> {
    /// By the row's index: whether it was applied before and nothing has changed since, so that it is skipped.
    skipped: Vec<bool>,
    /// By the row's index: the digest that its user gets if the row is applied.
    digests: Vec<Option<Uuid>>,
    /// The keys of users that rows to apply name and that may exist, each once, in the order of the index.
    loaded_users: Vec<&'a str>,
}

impl<'a> KnownRows<'a> {
    /// No row is skipped, and none of the users exists.
    fn none(chunk: &UserChunk) -> Self {
        let mut digests = vec![None; chunk.len()];
        for named in chunk.named() {
            digests[named.row] = named.digest;
        }
        Self { skipped: vec![false; chunk.len()], digests, loaded_users: Vec::new() }
    }

    /// As the rows' forecasts have it.
    fn foreseen(chunk: &'a UserChunk) -> Self {
        let mut known = Self::none(chunk);
        for named in chunk.named() {
            // A row that shares its user with another is applied every time: its effect depends on the other.
            if !named.alone {
                known.digests[named.row] = None;
            }
            match named.forecast {
                UserForecast::Unchanged if named.alone => known.skipped[named.row] = true,
                UserForecast::New => {}
                UserForecast::Unchanged | UserForecast::Unknown => known.loaded_users.push(named.key),
            }
        }
        known.sort_loaded();
        known
    }

    fn sort_loaded(&mut self) {
        self.loaded_users.sort_unstable();
        self.loaded_users.dedup();
    }

    /// Compares the digests of the rows with those that are stored.
    async fn compare(txn: &Session, passwords: &Passwords<'_>, chunk: &'a UserChunk) -> Result<Self, Error> {
        let mut known = Self {
            skipped: vec![false; chunk.len()],
            digests: vec![None; chunk.len()],
            loaded_users: Vec::new(),
        };
        let named: Vec<_> = chunk.named().collect();
        if named.is_empty() {
            return Ok(known);
        }
        let compared = compare_row_digests(txn, passwords.tenant, &named).await?;
        for row in &named {
            known.skipped[row.row] = true;
            // A row that shares its user with another is compared every time: its effect depends on the other.
            known.digests[row.row] = row.digest.filter(|_| row.alone);
        }
        for row in compared.missing.iter().chain(&compared.different) {
            known.skipped[row.row] = false;
        }
        known.loaded_users = compared.different.iter().map(|row| row.key).collect();
        known.sort_loaded();
        Ok(known)
    }

    fn rows_to_apply<'c>(&self, chunk: &'c UserChunk) -> Vec<RowToApply<'c>> {
        let left = self.skipped.iter().zip(&self.digests).enumerate().filter(|(_, (skipped, _))| !**skipped);
        left.filter_map(|(index, (_, digest))| {
            Some(RowToApply { index, digest: *digest, row: chunk.row(index)? })
        })
        .collect()
    }
}

struct RowToApply<'a> {
    index: usize,
    digest: Option<Uuid>,
    row: UserRow<'a>,
}

/// Applies the rows in file order. The outcome of a skipped row is that of a row that changed nothing. Returns the outcomes
/// and the warnings.
fn apply_rows<'a>(
    roster: &mut Roster<'a>,
    first_row: u64,
    chunk_rows: usize,
    rows: &'a [RowToApply<'a>],
) -> (ChunkOutcomes, Vec<String>) {
    let mut outcomes = ChunkOutcomes::starting_at(first_row);
    let mut warnings = Vec::new();
    let mut next = 0;
    for RowToApply { index, digest, row } in rows {
        for _ in next..*index {
            outcomes.push(Ok(Outcome::Updated));
        }
        let applied = roster.apply(row, *digest);
        if let Ok(Applied { withheld: Some(withheld), .. }) = &applied {
            warnings.push(withheld_warning(first_row + *index as u64, withheld));
        }
        outcomes.push(applied.map(|applied| applied.outcome).map_err(|mut problems| problems.to_text()));
        next = index + 1;
    }
    for _ in next..chunk_rows {
        outcomes.push(Ok(Outcome::Updated));
    }
    (outcomes, warnings)
}

fn withheld_warning(row: u64, withheld: &Withheld<'_>) -> String {
    let fields = match (withheld.enabled, withheld.password) {
        (true, true) => "\"enabled\" and the password",
        (true, false) => "\"enabled\"",
        (false, _) => "the password",
    };
    format!("Row {row}: {} is an administrator, so the import left {fields} alone.", withheld.username)
}

fn set_values<'r, 'a: 'r>(
    rows: impl Iterator<Item = &'r RowToApply<'a>>,
    cell: impl Fn(&'r UserRow<'_>) -> Change<&'r str>,
) -> Vec<&'r str> {
    rows.filter_map(|at| match cell(&at.row) {
        Change::Set(value) => Some(value),
        Change::Keep | Change::Clear => None,
    })
    .collect()
}
