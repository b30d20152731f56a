//! Rows of samples: written and read.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params, params_from_iter};

use crate::cursor::{SAMPLES, Sequence};
use crate::scan::Scan;
use crate::schema::{SampleColumn, SampleTable};
use crate::sql::{count, first, places, run, whole};
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
                let insert =
                    "INSERT INTO vitals_samples (sequence, ordinal, time, origin) VALUES (?1, ?2, ?3, ?4)";
                run(transaction, insert, (whole(sequence), whole(ordinal), time, origin(sequence)?))?;
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
            run(transaction, &self.insertions[table as usize], params_from_iter(row))?;
        }
        Ok(())
    }

    /// Returns the id of a GPU, which is inserted if it is new.
    fn gpu(&mut self, transaction: &Transaction<'_>, name: &GpuName) -> rusqlite::Result<i64> {
        if let Some(id) = self.gpus.get(name) {
            return Ok(*id);
        }
        let names = params![name.gpu, name.uuid, name.name, name.mig];
        let find = "SELECT id FROM gpus WHERE gpu = ?1 AND uuid = ?2 AND name = ?3 AND mig = ?4";
        let id = match first(transaction, find, names)? {
            Some(id) => id,
            None => {
                run(transaction, "INSERT INTO gpus (gpu, uuid, name, mig) VALUES (?1, ?2, ?3, ?4)", names)?;
                transaction.last_insert_rowid()
            }
        };
        self.gpus.insert(name.clone(), id);
        Ok(id)
    }
}

fn insertion(table: SampleTable) -> String {
    let values = table.columns().iter().map(|column| column.name);
    let columns: Vec<&str> = ["time"].into_iter().chain(table.keys()).chain(values).collect();
    let (name, places) = (table.name(), places(columns.len()));
    format!("INSERT OR REPLACE INTO {name} ({}) VALUES ({places})", columns.join(", "))
}

/// Returns the samples of a table within a range of nanoseconds, oldest first, with these columns.
pub(crate) fn read<'c>(
    connection: &Connection,
    table: SampleTable,
    range: &Range<u64>,
    columns: impl IntoIterator<Item = &'c SampleColumn>,
) -> rusqlite::Result<Vec<VitalsSample>> {
    let columns: Vec<&SampleColumn> = columns.into_iter().collect();
    let (keys, join) = match table {
        SampleTable::Gpu => (vec!["gpu", "uuid", "name", "mig"], " JOIN gpus USING (id)"),
        _ => (table.keys().collect(), ""),
    };
    let values = columns.iter().map(|column| column.name);
    let selected: Vec<&str> = ["time"].into_iter().chain(keys).chain(values).collect();
    let sql = format!(
        "SELECT {} FROM {}{join} WHERE time >= ?1 AND time < ?2 ORDER BY time",
        selected.join(", "),
        table.name()
    );
    let bounds = [range.start, range.end].map(|nanos| whole(nanos.div_ceil(NANOS)));
    let mut samples = Vec::new();
    // A damaged sample is left out.
    Scan::bounded(sql, bounds).visit(connection, |row| {
        samples.extend(row.and_then(|row| sample(row, table, &columns).ok()));
        Ok(ControlFlow::Continue(None))
    })?;
    Ok(samples)
}

fn sample(row: &Row<'_>, table: SampleTable, columns: &[&SampleColumn]) -> rusqlite::Result<VitalsSample> {
    let (entity, keys) = match table {
        SampleTable::Host => (Entity::Host, 1),
        SampleTable::Process => (Entity::Process { pid: row.get(1)? }, 2),
        SampleTable::Gpu => {
            let name = GpuName { gpu: row.get(1)?, uuid: row.get(2)?, name: row.get(3)?, mig: row.get(4)? };
            (Entity::Gpu(name), 5)
        }
        SampleTable::GpuProcess => {
            let pid = row.get(2)?;
            (Entity::GpuProcess { gpu: row.get(1)?, pid: (pid != 0).then_some(pid) }, 3)
        }
    };
    let mut values = Vec::with_capacity(columns.len());
    for (place, column) in (keys..).zip(columns) {
        if let Some(stored) = row.get::<_, Option<i64>>(place)? {
            values.push((column.name, column.value(stored)));
        }
    }
    Ok(VitalsSample { unix_nanos: count(row.get(0)?).saturating_mul(NANOS), entity, values })
}
