//! A chunk of users in columns, as needed for sending arrays.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::rosters::large::{RosterOptions, write_roster};

/// The columns of a chunk and their types. The first is the id, which is not in the file.
pub const COLUMNS: [(&str, &str); 15] = [
    ("id", "uuid"),
    ("username", "text"),
    ("username_key", "text"),
    ("given_name", "text"),
    ("surname", "text"),
    ("middle_name", "text"),
    ("preferred_name", "text"),
    ("email_address", "text"),
    ("graduation_year", "smallint"),
    ("library_barcode", "text"),
    ("admin_system_id", "text"),
    ("gender", "text"),
    ("form_class", "text"),
    ("enabled", "boolean"),
    ("staff_member", "boolean"),
];

/// The positions in a large roster's lines of the columns after the id.
const CELLS: [usize; COLUMNS.len() - 1] = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13];

pub struct Chunk {
    columns: Vec<Column>,
}

enum Column {
    Ids(Vec<Uuid>),
    Texts(Vec<Option<String>>),
    Years(Vec<Option<i16>>),
    Flags(Vec<bool>),
}

impl Chunk {
    /// `rows` users of a large roster, beginning with number `first`, with new ids.
    pub fn new(first: u64, rows: u64) -> Self {
        let mut file = Vec::new();
        let options = RosterOptions { first, ..RosterOptions::default() };
        write_roster(&mut file, rows, &options).expect("writing to memory cannot fail");
        let file = String::from_utf8(file).expect("rosters are UTF-8");
        // Large rosters contain no quoted cells.
        let lines: Vec<Vec<&str>> = file.lines().skip(1).map(|line| line.split(',').collect()).collect();

        let ids = Column::Ids(lines.iter().map(|_| Uuid::now_v7()).collect());
        let cells = COLUMNS[1..].iter().zip(CELLS).map(|((_, kind), at)| {
            let cells = lines.iter().map(|line| line[at]);
            let filled = |cell: &str| (!cell.is_empty()).then(|| cell.to_owned());
            match *kind {
                "smallint" => Column::Years(cells.map(|cell| cell.parse().ok()).collect()),
                "boolean" => Column::Flags(cells.map(|cell| cell == "Y").collect()),
                _ => Column::Texts(cells.map(filled).collect()),
            }
        });
        Self { columns: std::iter::once(ids).chain(cells).collect() }
    }

    pub fn rows(&self) -> usize {
        match &self.columns[0] {
            Column::Ids(ids) => ids.len(),
            Column::Texts(texts) => texts.len(),
            Column::Years(years) => years.len(),
            Column::Flags(flags) => flags.len(),
        }
    }

    /// The tenant, then one array per column.
    pub fn arrays<'a>(&'a self, tenant: &'a Uuid) -> Vec<&'a (dyn ToSql + Sync)> {
        let mut arrays: Vec<&(dyn ToSql + Sync)> = vec![tenant];
        arrays.extend(self.columns.iter().map(|column| match column {
            Column::Ids(ids) => ids as &(dyn ToSql + Sync),
            Column::Texts(texts) => texts,
            Column::Years(years) => years,
            Column::Flags(flags) => flags,
        }));
        arrays
    }

    /// The types of a row's cells.
    pub fn types(&self) -> impl Iterator<Item = Type> {
        self.columns.iter().map(|column| match column {
            Column::Ids(_) => Type::UUID,
            Column::Texts(_) => Type::TEXT,
            Column::Years(_) => Type::INT2,
            Column::Flags(_) => Type::BOOL,
        })
    }

    /// The cells of one row.
    pub fn row(&self, index: usize) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
        self.columns.iter().map(move |column| match column {
            Column::Ids(ids) => &ids[index] as &(dyn ToSql + Sync),
            Column::Texts(texts) => &texts[index],
            Column::Years(years) => &years[index],
            Column::Flags(flags) => &flags[index],
        })
    }
}
