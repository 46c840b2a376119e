//! An import on the API's side: from the upload that is accepted to the result that is sent.

pub mod accept;
pub mod completion;
pub mod publish;
pub mod response;
pub mod upload;
