//! Tenants, the groups that their operators define, and the accounts that may import.

pub mod group;
pub mod presentation_groups;
pub mod tenant;

pub mod account;
