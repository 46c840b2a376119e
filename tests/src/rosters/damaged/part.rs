//! A record of a file before and after its damage.

/// What stands in the file for a record, with its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub good: Vec<u8>,
    pub damaged: Vec<u8>,
}

impl Part {
    pub fn undamaged(text: String) -> Self {
        let good = text.into_bytes();
        Self { damaged: good.clone(), good }
    }

    pub fn is_damaged(&self) -> bool {
        self.damaged != self.good
    }
}
