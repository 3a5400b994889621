//! What a table holds of a reading: values in canonical units, or a fault.

use crate::fault::Fault;
use crate::measurement::Value;
use crate::quantity::Quantity;
use crate::unit::Unit;

/// What a reading says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Values, each in its quantity's canonical unit; with a unit where there is none such. A
    /// quantity of a user's own that came in a dialect without units has neither.
    Values(Vec<(Quantity, Value, Option<Unit>)>),
    /// No values, and why.
    Fault(Fault),
}
