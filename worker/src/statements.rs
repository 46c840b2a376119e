//! Every hand-written SQL statement of this crate, with its name. A test has a fresh database prepare all of them.

use crate::{census, memberships, users};

/// Names and texts.
pub const STATEMENTS: &[(&str, &str)] = &[
    ("census/forget_roster_changes", census::FORGET_ROSTER_CHANGES),
    ("census/is_roster_changed", census::IS_ROSTER_CHANGED),
    ("users/take_census", users::census::TAKE_CENSUS),
    ("users/probe_key_ranges", users::load::PROBE_KEY_RANGES),
    ("users/compare_row_digests", users::load::COMPARE_ROW_DIGESTS),
    ("users/load_users", users::load::LOAD_USERS),
    ("users/load_barcode_owners", users::load::LOAD_BARCODE_OWNERS),
    ("users/load_presentation_groups", users::load::LOAD_PRESENTATION_GROUPS),
    ("users/count_new_groups", users::load::COUNT_NEW_GROUPS),
    ("users/insert_presentation_groups", users::write::INSERT_PRESENTATION_GROUPS),
    ("users/release_barcodes", users::write::RELEASE_BARCODES),
    ("users/update_users", users::write::UPDATE_USERS),
    ("users/update_row_digests", users::write::UPDATE_ROW_DIGESTS),
    ("users/copy_users", users::copy::COPY_USERS),
    ("memberships/take_user_ids", memberships::census::TAKE_USER_IDS),
    ("memberships/take_memberships", memberships::census::TAKE_MEMBERSHIPS),
    ("memberships/find_users", memberships::merge::FIND_USERS),
    ("memberships/find_library_groups", memberships::merge::FIND_LIBRARY_GROUPS),
    ("memberships/find_system_groups", memberships::merge::FIND_SYSTEM_GROUPS),
    ("memberships/insert_library_members", memberships::merge::INSERT_LIBRARY_MEMBERS),
    ("memberships/insert_system_members", memberships::merge::INSERT_SYSTEM_MEMBERS),
    ("memberships/insert_new_library_members", memberships::merge::INSERT_NEW_LIBRARY_MEMBERS),
    ("memberships/insert_new_system_members", memberships::merge::INSERT_NEW_SYSTEM_MEMBERS),
    ("memberships/insert_granting_members", memberships::merge::INSERT_GRANTING_MEMBERS),
];
