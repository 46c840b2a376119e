//! The lanes: imports by size class.

use crate::stored_words::stored_words;

stored_words! {
    /// The size class of an import. Each lane has a queue in RabbitMQ and consumers of its own, so that a school's small
    /// file never waits for a district's large one.
    pub enum Lane ("lane") {
        /// Files up to the configured size.
        Small = "small",
        /// All others.
        Bulk = "bulk",
    }
}
