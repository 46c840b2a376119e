//! Good rosters with random damage: a few bytes flipped, inserted, dropped or cut, line ends lost, stray quotes.
//!
//! A [`DamagedRoster`] (`roster`) knows what each of its rows says and which of them the damage (`damage`) has left alone: for each it
//! holds the bytes before and after (`part`).
//! What an import of it must not lose is said in `promise`, without the oracle.

mod damage;
mod part;
mod promise;
mod roster;

#[cfg(test)]
mod tests;

pub use roster::DamagedRoster;
