//! A file of Parquet: the one place that knows Arrow.
//!
//! | column | type |
//! | --- | --- |
//! | `time` | timestamp in milliseconds with the zone; null where the device did not know it |
//! | `uptime_ms` | 64-bit integer; only in the file `unset` |
//! | `device`, `sensor` | text by dictionary, as pyarrow and pandas take the parts of a path |
//! | `boot`, `seq` | text, 64-bit integer |
//! | a quantity | 64-bit float or null; its unit in the field's metadata under `unit` |
//! | `fault` | text or null |
//! | `received_at` | timestamp in milliseconds with the zone, or null |

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use tidings_schema::Clock;

use super::columns::{Columns, unit_of};
use super::rows::{FIXED, RECEIVED_AT, UPTIME};
use super::zone::Zone;
use crate::dynamo::StoredReading;

/// A file that is being written.
pub(super) struct ParquetFile {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    columns: Columns,
    zone: Arc<str>,
    with_uptime: bool,
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// The file or its format.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// The columns do not fit together, which is a mistake of ours.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl ParquetFile {
    /// Begins a file. `said` is what the file says of itself, by key.
    pub(super) fn begin(
        file: File,
        columns: &Columns,
        zone: &Zone,
        with_uptime: bool,
        said: &[(&str, String)],
    ) -> Result<Self, WriteError> {
        let zone: Arc<str> = zone.name().into();
        let schema = Arc::new(schema(columns, &zone, with_uptime));
        let said = said.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("tidings ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(said.collect()))
            .build();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))?;
        Ok(Self { writer, schema, columns: columns.clone(), zone, with_uptime })
    }

    /// Writes readings, whose quantities all have columns, as one row group.
    pub(super) fn write(&mut self, readings: &[&StoredReading]) -> Result<(), WriteError> {
        let time = |at: &dyn Fn(&StoredReading) -> Option<i64>| -> ArrayRef {
            let times: TimestampMillisecondArray = readings.iter().copied().map(at).collect();
            Arc::new(times.with_timezone(self.zone.clone()))
        };
        let is = |reading: &StoredReading, clock| reading.clock == clock;
        let at =
            |clock| move |reading: &StoredReading| is(reading, clock).then(|| reading.at.get());
        let mut arrays = vec![time(&at(Clock::Set))];
        if self.with_uptime {
            let uptimes: Int64Array = readings.iter().copied().map(at(Clock::Unset)).collect();
            arrays.push(Arc::new(uptimes));
        }
        arrays.push(dictionary(readings, |reading| &reading.device)?);
        arrays.push(dictionary(readings, |reading| &reading.sensor)?);
        let boots = readings.iter().map(|reading| Some(reading.boot.as_str()));
        arrays.push(Arc::new(boots.collect::<StringArray>()));
        let numbers = readings.iter().map(|reading| i64::try_from(reading.seq.get()).ok());
        arrays.push(Arc::new(numbers.collect::<Int64Array>()));
        let faults = readings.iter().map(|reading| reading.fault.as_deref());
        arrays.push(Arc::new(faults.collect::<StringArray>()));
        for (name, _) in self.columns.iter() {
            let values = readings.iter().map(|reading| reading.values.get(name).copied());
            arrays.push(Arc::new(values.collect::<Float64Array>()));
        }
        arrays.push(time(&|reading: &StoredReading| reading.received_at));
        self.writer.write(&RecordBatch::try_new(self.schema.clone(), arrays)?)?;
        // What was held is a row group: the writer would hold many of them.
        Ok(self.writer.flush()?)
    }

    /// Ends it and gives the file, to be synced.
    pub(super) fn finish(self) -> Result<File, WriteError> {
        Ok(self.writer.into_inner()?)
    }
}

fn dictionary(
    readings: &[&StoredReading],
    name: impl Fn(&StoredReading) -> &String,
) -> Result<ArrayRef, WriteError> {
    // A file is of one device and one sensor.
    let names: Vec<&str> =
        readings.first().map(|reading| name(reading).as_str()).into_iter().collect();
    let keys: Int32Array = readings.iter().map(|_| Some(0)).collect();
    let array = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(StringArray::from(names)))?;
    Ok(Arc::new(array))
}

fn schema(columns: &Columns, zone: &Arc<str>, with_uptime: bool) -> Schema {
    let timestamp = || DataType::Timestamp(TimeUnit::Millisecond, Some(zone.clone()));
    let named = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let mut fields = vec![Field::new("time", timestamp(), true)];
    if with_uptime {
        fields.push(Field::new(UPTIME, DataType::Int64, true));
    }
    fields.push(Field::new("device", named(), false));
    fields.push(Field::new("sensor", named(), false));
    fields.push(Field::new("boot", DataType::Utf8, false));
    fields.push(Field::new("seq", DataType::Int64, false));
    fields.push(Field::new("fault", DataType::Utf8, true));
    let quantities: BTreeSet<&str> = columns.iter().map(|(quantity, _)| quantity).collect();
    for (quantity, said) in columns.iter() {
        let name = free_name(quantity, &quantities);
        let mut metadata = HashMap::from([("quantity".to_owned(), quantity.to_owned())]);
        metadata.extend(unit_of(quantity, said).map(|unit| ("unit".to_owned(), unit.to_owned())));
        fields.push(Field::new(name, DataType::Float64, true).with_metadata(metadata));
    }
    fields.push(Field::new(RECEIVED_AT, timestamp(), true));
    Schema::new(fields)
}

/// The name of a quantity's column. A column is found by its name alone, so it is another than that of
/// the columns that every reading has, and then than that of any quantity.
fn free_name(quantity: &str, quantities: &BTreeSet<&str>) -> String {
    let mut name = quantity.to_owned();
    while FIXED.contains(&name.as_str()) || (name != quantity && quantities.contains(&*name)) {
        name.push_str("_value");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_columns_have_one_name() {
        let quantities = BTreeSet::from(["seq", "seq_value", "received_at", "temperature"]);
        let names: Vec<String> = quantities.iter().map(|one| free_name(one, &quantities)).collect();
        assert_eq!(names, ["received_at_value", "seq_value_value", "seq_value", "temperature"]);
    }
}
