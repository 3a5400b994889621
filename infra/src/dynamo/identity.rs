//! Which table it is that has a name.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;

use super::{Database, aws_says};
use crate::Trouble;

impl Database {
    /// What tells the table of readings from another of the same name, in another account, region or
    /// emulator, or made anew: its id, or the time when it was made where an emulator gives none.
    /// `None` where the credentials may read the table and not describe it.
    ///
    /// # Errors
    /// When it cannot be asked, or there is no such table.
    pub(crate) async fn readings_identity(&self) -> Result<Option<String>, Trouble> {
        let described = self.client.describe_table().table_name(&self.tables.readings).send().await;
        let table = match described {
            Ok(described) => described.table,
            Err(error) if error.code() == Some("AccessDeniedException") => return Ok(None),
            Err(error) => return Err(Trouble::Query(aws_says(&error))),
        };
        let Some(table) = table else { return Ok(None) };
        let made = || Some(format!("made {}", table.creation_date_time?.as_secs_f64()));
        Ok(table.table_id.clone().or_else(made))
    }
}
