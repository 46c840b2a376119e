#![doc = include_str!("../README.md")]

pub mod ids;
pub mod lane;
pub mod names;
mod stored_words;

pub mod hardening;
pub mod settings;
pub mod telemetry;

pub mod postgres;
pub mod rabbitmq;

pub mod crypto;
pub mod installation;
pub mod key_ring;
pub mod uploads;

pub mod passwords;
pub mod tenants;

pub mod audit;

pub mod imports;

pub mod crash_point;
pub mod statements;
