//! Which tables a command works on.

use tidings_ingest::store::Tables;

use crate::dynamo::Database;

/// The tables, and where they are.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// Endpoint of another DynamoDB than AWS's, such as the one that `up` prints.
    #[arg(long)]
    pub endpoint_url: Option<String>,
    /// Name of the table of readings.
    #[arg(long, default_value_t = Tables::default().readings)]
    readings_table: String,
    /// Name of the table of what was refused.
    #[arg(long, default_value_t = Tables::default().quarantine)]
    quarantine_table: String,
    /// Name of the table of devices.
    #[arg(long, default_value_t = Tables::default().devices)]
    devices_table: String,
}

impl Target {
    /// Connects to the tables. Nothing is sent yet.
    pub async fn connect(&self) -> Database {
        Database::connect(self.endpoint_url.as_deref(), self.tables()).await
    }

    /// The tables' names.
    #[must_use]
    pub fn tables(&self) -> Tables {
        Tables {
            readings: self.readings_table.clone(),
            quarantine: self.quarantine_table.clone(),
            devices: self.devices_table.clone(),
        }
    }

    /// The arguments that name these tables: none for those of the account.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let (tables, usual) = (self.tables(), Tables::default());
        let endpoint = self.endpoint_url.iter().map(|url| ("--endpoint-url", url.clone()));
        let named = [
            ("--readings-table", tables.readings, usual.readings),
            ("--quarantine-table", tables.quarantine, usual.quarantine),
            ("--devices-table", tables.devices, usual.devices),
        ];
        let named = named.into_iter().filter(|(_, table, usual)| table != usual);
        let named = named.map(|(flag, table, _)| (flag, table));
        endpoint.chain(named).flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}
