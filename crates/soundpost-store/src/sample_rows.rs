//! Rows of samples: written and read.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params_from_iter};

use crate::cursor::{SAMPLES, Sequence};
use crate::error::is_damage;
use crate::scan::Scan;
use crate::schema::{Checksum, GPUS, SAMPLE_TIMES, SampleColumn, SampleTable, SampleTime, check_row};
use crate::shared_rows::{GPU_ROWS, TableRows, UNKNOWN};
use crate::sql::{count, places, run, whole};
use crate::vitals::{Entity, GpuName, VitalsSample};

/// Unit of stored times, nanoseconds.
pub(crate) const NANOS: u64 = 1_000_000;

#[derive(Debug)]
pub(crate) struct SampleWriter {
    insertions: [String; 4],
    gpus: HashMap<GpuName, i64>,
    /// Newest time, milliseconds.
    newest: Option<i64>,
}

impl SampleWriter {
    /// Prepares the statements, which checks the tables.
    pub(crate) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let insertions = SampleTable::ALL.map(insertion);
        for insertion in &insertions {
            connection.prepare_cached(insertion)?;
        }
        Ok(Self { insertions, gpus: HashMap::new(), newest: None })
    }

    /// Clears what a failed transaction may have added.
    pub(crate) fn clear(&mut self) {
        self.gpus.clear();
        self.newest = None;
    }

    /// Stores samples; `origin` returns the id of the origin of the record with a sequence number.
    pub(crate) fn write(
        &mut self,
        transaction: &Transaction<'_>,
        samples: &[VitalsSample],
        last: &mut Sequence,
        mut origin: impl FnMut(u64) -> rusqlite::Result<Option<i64>>,
    ) -> rusqlite::Result<()> {
        for sample in samples {
            let time = whole(sample.unix_nanos / NANOS);
            if self.newest.replace(time) != Some(time) {
                let (sequence, ordinal) = last.next(SAMPLES);
                let keys = [Some(whole(sequence)), Some(whole(ordinal)), origin(sequence)?];
                let mut insert = transaction.prepare_cached(SAMPLE_TIMES.insertion())?;
                SAMPLE_TIMES.insert(&mut insert, &keys, &SampleTime { millis: count(time) })?;
            }
            let mut row = vec![Value::Integer(time)];
            match &sample.entity {
                Entity::Host => {}
                Entity::Process { pid } => row.push(Value::Integer(i64::from(*pid))),
                Entity::Gpu(name) => row.push(Value::Integer(self.gpu(transaction, name)?)),
                Entity::GpuProcess { gpu, pid } => {
                    row.push(Value::Text(gpu.clone()));
                    row.push(Value::Integer(i64::from(pid.unwrap_or(0))));
                }
            }
            let table = sample.entity.table();
            row.extend(table.columns().iter().map(|column| {
                let stored = sample.value(column.name).and_then(|value| column.stored(value));
                stored.map_or(Value::Null, Value::Integer)
            }));
            row.push(Checksum::of(&row).into());
            run(transaction, &self.insertions[table as usize], params_from_iter(row))?;
        }
        Ok(())
    }

    /// Returns the id of a GPU, which is inserted if it is new.
    fn gpu(&mut self, transaction: &Transaction<'_>, name: &GpuName) -> rusqlite::Result<i64> {
        if let Some(id) = self.gpus.get(name) {
            return Ok(*id);
        }
        let id = GPU_ROWS.id(transaction, &[&name.gpu, &name.uuid, &name.name, &name.mig])?;
        self.gpus.insert(name.clone(), id);
        Ok(id)
    }
}

fn insertion(table: SampleTable) -> String {
    let columns = table.names();
    let (name, places) = (table.name(), places(columns.len()));
    format!("INSERT OR REPLACE INTO {name} ({}) VALUES ({places})", columns.join(", "))
}

/// Reads samples, without damaged ones.
pub(crate) struct SampleReader<'a> {
    connection: &'a Connection,
    /// Names of GPUs by their ids, [`UNKNOWN`] where they are damaged.
    gpus: TableRows<'a, GpuName>,
    /// Statement and number of columns before the checksum of each table.
    tables: [(String, usize); 4],
}

impl<'a> SampleReader<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        let unknown = GpuName { gpu: UNKNOWN.to_owned(), ..GpuName::default() };
        let gpus = TableRows::new(connection, &GPUS, unknown, |row| {
            Ok(GpuName { gpu: row.get(1)?, uuid: row.get(2)?, name: row.get(3)?, mig: row.get(4)? })
        });
        let tables = SampleTable::ALL.map(|table| {
            let names = table.names();
            (format!("SELECT {} FROM {}", names.join(", "), table.name()), names.len() - 1)
        });
        Self { connection, gpus, tables }
    }

    /// Returns the samples of a table within a range of nanoseconds, oldest first, with the values that are wanted, and
    /// the number of damaged samples.
    pub(crate) fn read(
        &mut self,
        table: SampleTable,
        range: &Range<u64>,
        is_wanted: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<(Vec<VitalsSample>, u64)> {
        let columns: Vec<(usize, &SampleColumn)> =
            table.columns().iter().enumerate().filter(|(_, column)| is_wanted(column.name)).collect();
        let start = whole(range.start.div_ceil(NANOS));
        let (mut samples, mut damaged) = (Vec::new(), 0);
        let scan = match self.is_found(table, start)? {
            true => Scan::from(self.statement(table, "WHERE time >= ?1 ORDER BY time"), start),
            false => Scan::all(&self.tables[table as usize].0, "time"),
        };
        scan.visit(self.connection, |row| {
            match row.map(|row| self.sample(row, table, &columns)) {
                Some(Ok(sample)) if sample.unix_nanos >= range.end => return Ok(ControlFlow::Break(())),
                Some(Ok(sample)) if sample.unix_nanos < range.start => {}
                Some(Ok(sample)) => samples.push(sample),
                Some(Err(error)) if !is_damage(&error) => return Err(error),
                _ => damaged += 1,
            }
            Ok(ControlFlow::Continue(None))
        })?;
        Ok((samples, damaged))
    }

    fn statement(&self, table: SampleTable, condition: &str) -> String {
        format!("{} {condition}", self.tables[table as usize].0)
    }

    /// Returns whether a search finds the first row from a time on. A damaged time misleads it to the row behind.
    fn is_found(&self, table: SampleTable, start: i64) -> rusqlite::Result<bool> {
        let before = self.statement(table, "WHERE time < ?1 ORDER BY time DESC LIMIT 1");
        let mut before = self.connection.prepare_cached(&before)?;
        match before.query_row([start], |row| check_row(row, self.tables[table as usize].1)) {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(start > 0),
            Err(error) if is_damage(&error) => Ok(false),
            sound => sound.map(|()| true),
        }
    }

    fn sample(
        &mut self,
        row: &Row<'_>,
        table: SampleTable,
        columns: &[(usize, &SampleColumn)],
    ) -> rusqlite::Result<VitalsSample> {
        check_row(row, self.tables[table as usize].1)?;
        let (entity, keys) = match table {
            SampleTable::Host => (Entity::Host, 1),
            SampleTable::Process => (Entity::Process { pid: row.get(1)? }, 2),
            SampleTable::Gpu => (Entity::Gpu(self.gpus.get(row.get(1)?)?), 2),
            SampleTable::GpuProcess => {
                let pid = row.get(2)?;
                (Entity::GpuProcess { gpu: row.get(1)?, pid: (pid != 0).then_some(pid) }, 3)
            }
        };
        let mut values = Vec::with_capacity(columns.len());
        for (place, column) in columns {
            if let Some(stored) = row.get::<_, Option<i64>>(keys + place)? {
                values.push((column.name, column.value(stored)));
            }
        }
        Ok(VitalsSample { unix_nanos: count(row.get(0)?).saturating_mul(NANOS), entity, values })
    }
}
