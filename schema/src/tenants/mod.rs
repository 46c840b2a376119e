//! Tenants, the groups that their operators define, and the accounts and tokens that may import.

pub mod group;
pub mod presentation_groups;
pub mod tenant;

pub mod account;
pub mod login_network;
pub mod token;
