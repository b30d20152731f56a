//! Columns of calls and log events: how a value is stored, read, and shown.

use rusqlite::types::{FromSqlResult, ToSqlOutput, Value, ValueRef};
use soundpost_core::{FieldValue, StageTime};

use super::stored::NULL;

/// A column of the record `R`. The table, its view, JSON, CSV and the fields of sinks follow from it.
#[derive(Debug)]
pub struct RecordColumn<R: 'static> {
    name: &'static str,
    /// Name and SQL type in the table; `None` for a value made of other columns.
    pub(super) stored: Option<(&'static str, &'static str)>,
    pub(super) store: fn(&R) -> ToSqlOutput<'_>,
    pub(super) load: fn(&mut R, ValueRef<'_>) -> FromSqlResult<()>,
    scale: Scale,
    show: Option<fn(&R) -> ColumnValue<'_>>,
    /// Expression of the view, where the scale does not give it.
    expression: Option<&'static str>,
    places: u8,
}

/// Where a column appears beside the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// The SQL view.
    View = 1,
    /// JSON lines and CSV of the program.
    Lines = 1 << 1,
    /// Fields of events that sinks ship.
    Events = 1 << 2,
    /// Fields of points that sinks ship.
    Points = 1 << 3,
}

pub(super) const VIEW: u8 = Place::View as u8;
pub(super) const LINES: u8 = Place::Lines as u8;
pub(super) const EVENTS: u8 = Place::Events as u8;
/// Marks a column that sinks leave out where it is 0.
pub(super) const UNLESS_ZERO: u8 = 1 << 4;

/// Value of a column in the unit that its name states.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ColumnValue<'a> {
    /// Not measured.
    None,
    /// Nanoseconds since 1970.
    Time(u64),
    /// Text.
    Text(&'a str),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Labels, by name.
    Labels(&'a [(String, String)]),
    /// Fields, by name.
    Fields(&'a [(String, FieldValue)]),
    /// Stages of a call.
    Stages(&'a [StageTime]),
}

/// Relation of a stored number to the shown one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Shown as stored.
    Plain,
    /// Stored as 0 or 1, shown as a truth value.
    Truth,
    /// Stored in nanoseconds, shown in milliseconds.
    Milliseconds,
    /// Stored in bytes, shown in MiB.
    Mebibytes,
    /// Stored in ten-thousandths, shown as a ratio.
    Ratio,
}

impl Scale {
    /// Divisor, as a number and as SQL.
    fn divisor(self) -> Option<(f64, &'static str)> {
        match self {
            Self::Plain | Self::Truth => None,
            Self::Milliseconds => Some((1e6, "1e6")),
            Self::Mebibytes => Some((1_048_576.0, "1048576.0")),
            Self::Ratio => Some((RATIO, "1e4")),
        }
    }

    fn show<'a>(self, stored: &ToSqlOutput<'a>) -> ColumnValue<'a> {
        match (stored, self.divisor()) {
            (ToSqlOutput::Owned(Value::Integer(number)), Some((divisor, _))) => {
                ColumnValue::Float(*number as f64 / divisor)
            }
            (ToSqlOutput::Owned(Value::Integer(number)), None) if self == Self::Truth => {
                ColumnValue::Bool(*number != 0)
            }
            (ToSqlOutput::Owned(Value::Integer(number)), None) => ColumnValue::Int(*number),
            (ToSqlOutput::Owned(Value::Real(number)), _) => ColumnValue::Float(*number),
            (ToSqlOutput::Borrowed(ValueRef::Text(text)), _) => {
                str::from_utf8(text).map_or(ColumnValue::None, ColumnValue::Text)
            }
            _ => ColumnValue::None,
        }
    }
}

/// Multiplier that makes a ratio a short integer.
pub(super) const RATIO: f64 = 1e4;

impl<R> RecordColumn<R> {
    pub(super) const fn stored(
        column: &'static str,
        sql_type: &'static str,
        store: fn(&R) -> ToSqlOutput<'_>,
        load: fn(&mut R, ValueRef<'_>) -> FromSqlResult<()>,
    ) -> Self {
        let stored = Some((column, sql_type));
        let (name, scale) = (column, Scale::Plain);
        Self { name, stored, store, load, scale, show: None, expression: None, places: 0 }
    }

    /// Declares a column that is made of others, with its expression in the view.
    pub(super) const fn derived(
        name: &'static str,
        expression: &'static str,
        show: fn(&R) -> ColumnValue<'_>,
    ) -> Self {
        Self { stored: None, ..Self::stored(name, "", |_| NULL, |_, _| Ok(())) }
            .expressed(expression)
            .shown_by(show)
    }

    /// Shows the column in the view and in lines, under a name that states its unit.
    pub(super) const fn shown(self, name: &'static str, scale: Scale) -> Self {
        Self { name, scale, ..self }.in_places(VIEW | LINES)
    }

    pub(super) const fn expressed(self, expression: &'static str) -> Self {
        Self { expression: Some(expression), ..self }
    }

    /// Shows a value that the scale does not give.
    pub(super) const fn shown_by(self, show: fn(&R) -> ColumnValue<'_>) -> Self {
        Self { show: Some(show), ..self }
    }

    pub(super) const fn in_places(self, places: u8) -> Self {
        Self { places: self.places | places, ..self }
    }

    /// Ships the column in events and points.
    pub(super) const fn shipped(self) -> Self {
        self.in_places(EVENTS | Place::Points as u8)
    }

    /// Returns the name in the view, in JSON and CSV, and in sinks.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns whether the column appears in a place.
    pub fn is_in(&self, place: Place) -> bool {
        self.places & place as u8 != 0
    }

    /// Returns the value in the unit that the name states.
    pub fn value<'r>(&self, record: &'r R) -> ColumnValue<'r> {
        match self.show {
            Some(show) => show(record),
            None => self.scale.show(&(self.store)(record)),
        }
    }

    /// Returns the value that a sink ships; `None` without one.
    pub fn shipped_value<'r>(&self, record: &'r R) -> Option<ColumnValue<'r>> {
        match self.value(record) {
            ColumnValue::None => None,
            ColumnValue::Int(0) | ColumnValue::Bool(false) if self.places & UNLESS_ZERO != 0 => None,
            ColumnValue::Float(number) if self.places & UNLESS_ZERO != 0 && number <= 0.0 => None,
            value => Some(value),
        }
    }

    /// Returns the column's line in the view.
    pub(super) fn in_view_text(&self) -> Option<String> {
        let column = self.stored.map_or(self.name, |(column, _)| column);
        let expression = match (self.expression, self.scale.divisor()) {
            (Some(expression), _) => expression.to_owned(),
            (None, Some((_, divisor))) => format!("{column} / {divisor}"),
            (None, None) => column.to_owned(),
        };
        self.is_in(Place::View).then(|| format!("{expression} AS {}", self.name))
    }
}
