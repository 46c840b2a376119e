//! An import as the API sees it, from the upload that it accepts to the result that it sends.
//!
//! Nothing here knows the application's state or the routes; each part is given what it uses.

pub mod accept;
pub mod completion;
pub mod publish;
pub mod readiness;
pub mod response;
pub mod slots;
pub mod upload;
