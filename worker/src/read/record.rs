//! A record: a line of cells, which may span several physical lines.

use rollcall_schema::names::trim;

/// The largest record: the bytes of its cells as UTF-8, plus one for each cell. 1 MiB.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// A data row's number, counted from 1 without the header and blank rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowNumber(pub u64);

impl std::fmt::Display for RowNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a record was read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It has all its cells.
    Whole,
    /// It is longer than [`MAX_RECORD_BYTES`]; it has no cells.
    TooLong,
    /// A quote opens in it that does not close; it has no cells.
    QuoteNotClosed,
    /// It has bytes that are not UTF-8; it has no cells.
    NotUtf8,
}

/// One record: a row of the file, or its header line.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub(super) number: RowNumber,
    pub(super) shape: Shape,
    /// Its cells, and what separates them.
    pub(super) text: &'a str,
    /// Where each cell ends.
    pub(super) ends: &'a [usize],
    /// How many bytes separate a cell from the next.
    pub(super) gap: usize,
}

impl<'a> Record<'a> {
    pub fn number(&self) -> RowNumber {
        self.number
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How many bytes its cells hold.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// How many cells it has.
    #[expect(clippy::len_without_is_empty, reason = "a whole record has at least one cell")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The trimmed value of the cell at `index`, counted from 0. `None` after the record's last cell.
    pub fn cell(&self, index: usize) -> Option<&'a str> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? + self.gap,
            None => 0,
        };
        self.text.get(start..end).map(trim)
    }

    /// The trimmed values of all cells.
    pub fn cells(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let record = *self;
        (0..record.len()).filter_map(move |index| record.cell(index))
    }

    /// Whether a cell after the first `columns` is not blank.
    pub fn has_values_beyond(&self, columns: usize) -> bool {
        (columns..self.len()).any(|index| self.cell(index).is_some_and(|cell| !cell.is_empty()))
    }
}
