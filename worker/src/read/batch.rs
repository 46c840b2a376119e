//! Copies of consecutive records: what a chunk carries from the reader to the merge.
//!
//! The text of all records is in one buffer, so that a row needs no allocation of its own. The buffer is wiped when it is
//! dropped, because some of the cells may be passwords.

use zeroize::Zeroizing;

use super::record::{Record, RowNumber, Shape};

/// Consecutive records of a file.
#[derive(Debug, Default)]
pub struct RecordBatch {
    text: Zeroizing<String>,
    /// Where each cell ends within its record's text.
    ends: Vec<usize>,
    kept: Vec<Kept>,
}

/// A record without its text: where the text and the cells end.
#[derive(Debug)]
struct Kept {
    number: RowNumber,
    shape: Shape,
    text_end: usize,
    ends_end: usize,
    gap: usize,
}

impl RecordBatch {
    /// Appends a copy of a record.
    pub fn push(&mut self, record: &Record<'_>) {
        self.make_room(record.text.len());
        self.text.push_str(record.text);
        self.ends.extend_from_slice(record.ends);
        self.kept.push(Kept {
            number: record.number,
            shape: record.shape,
            text_end: self.text.len(),
            ends_end: self.ends.len(),
            gap: record.gap,
        });
    }

    /// Grows the text explicitly: a `String` that reallocates leaves its old contents in memory, unwiped.
    fn make_room(&mut self, bytes: usize) {
        let needed = self.text.len() + bytes;
        if needed > self.text.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(needed.max(2 * self.text.capacity())));
            larger.push_str(&self.text);
            self.text = larger;
        }
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The record at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        let kept = self.kept.get(index)?;
        let (text_start, ends_start) = match index.checked_sub(1).and_then(|before| self.kept.get(before)) {
            Some(before) => (before.text_end, before.ends_end),
            None => (0, 0),
        };
        Some(Record {
            number: kept.number,
            shape: kept.shape,
            text: self.text.get(text_start..kept.text_end)?,
            ends: self.ends.get(ends_start..kept.ends_end)?,
            gap: kept.gap,
        })
    }

    /// The records in file order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
