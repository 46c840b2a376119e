//! `rollcall uploads`: makes another folder the installation's upload folder.

use clap::{Args, Subcommand};
use rollcall_schema::installation::adopt_upload_store;
use rollcall_schema::settings::{OwnerSettings, UploadSettings};
use serde::Serialize;

use crate::database;
use crate::error::CommandError;
use crate::output::Output;

/// Replace a lost upload folder
#[derive(Debug, Subcommand)]
pub enum Command {
    Adopt(Adopt),
}

/// Make the folder in `ROLLCALL_UPLOADS` the installation's upload folder, whatever it holds
///
/// API and workers start only with the folder that the first of them marked, so that a mistyped one is noticed. Use this when
/// that folder is lost for ever. To move it, stop the processes and copy it with all its files instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Imports that have not finished and whose upload is not in the folder cannot be read: have the schools send them again. Start
every process again afterwards.

Example:
  ROLLCALL_UPLOADS=/srv/rollcall/uploads rollcall uploads adopt

With --json: {\"adopted\":FOLDER}")]
pub struct Adopt {
    #[command(flatten)]
    uploads: UploadSettings,
    #[command(flatten)]
    database: OwnerSettings,
}

#[derive(Serialize)]
struct Adopted {
    adopted: String,
}

pub async fn run(command: Command, output: Output) -> Result<(), CommandError> {
    let Command::Adopt(adopt) = command;
    let folder = adopt.uploads.folder()?;
    let database = database::open_migrated(&adopt.database).await?;
    adopt_upload_store(&database, &folder).await?;
    let adopted = Adopted { adopted: folder.display().to_string() };
    output.print(&adopted, || {
        format!("{} is the installation's upload folder now. Start every process again.", adopted.adopted)
    })?;
    Ok(())
}
