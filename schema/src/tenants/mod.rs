pub mod tenant;
pub mod account;
pub mod group;
