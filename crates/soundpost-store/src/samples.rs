//! Samples: how they are written and read.

use std::collections::HashMap;
use std::ops::Range;

use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::column::{Column, Table};
use super::numbers::{MOMENTS, Numbers};
use super::sql::whole;
use super::vitals::{Entity, GpuName, VitalsSample};

/// Nanoseconds of the time that is stored.
pub(super) const NANOS: u64 = 1_000_000;

/// What the writer knows of the tables of samples.
#[derive(Debug)]
pub(super) struct Samples {
    insertions: [String; 4],
    /// Ids of the GPUs that were seen.
    gpus: HashMap<GpuName, i64>,
    /// The time of the newest moment, milliseconds.
    moment: Option<i64>,
}

impl Samples {
    /// Checks that the tables are there.
    pub(super) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let insertions = Table::ALL.map(insertion);
        for insertion in &insertions {
            connection.prepare_cached(insertion)?;
        }
        Ok(Self { insertions, gpus: HashMap::new(), moment: None })
    }

    /// Forgets what a transaction that failed may have added.
    pub(super) fn forget(&mut self) {
        self.gpus.clear();
        self.moment = None;
    }

    pub(super) fn write(
        &mut self,
        transaction: &Transaction<'_>,
        samples: &[VitalsSample],
        last: &mut Numbers,
    ) -> rusqlite::Result<()> {
        for sample in samples {
            let time = whole(sample.unix_nanos / NANOS);
            if self.moment.replace(time) != Some(time) {
                let (sequence, ordinal) = last.next(MOMENTS);
                transaction
                    .prepare_cached("INSERT INTO moments (sequence, ordinal, time) VALUES (?1, ?2, ?3)")?
                    .execute([whole(sequence), whole(ordinal), time])?;
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
                let value = sample.values.iter().find(|(name, _)| *name == column.name);
                value.and_then(|(_, value)| column.stored(*value)).map_or(Value::Null, Value::Integer)
            }));
            let insertion = &self.insertions[table as usize];
            transaction
                .prepare_cached(insertion)?
                .execute(rusqlite::params_from_iter(row.into_iter().map(ToSqlOutput::Owned)))?;
        }
        Ok(())
    }

    /// The id of a GPU, which is made if there is none.
    fn gpu(&mut self, transaction: &Transaction<'_>, name: &GpuName) -> rusqlite::Result<i64> {
        if let Some(id) = self.gpus.get(name) {
            return Ok(*id);
        }
        let names = params![name.gpu, name.uuid, name.name, name.mig];
        let found = transaction
            .prepare_cached("SELECT id FROM gpus WHERE gpu = ?1 AND uuid = ?2 AND name = ?3 AND mig = ?4")?
            .query_row(names, |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                transaction
                    .prepare_cached("INSERT INTO gpus (gpu, uuid, name, mig) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(names)?;
                transaction.last_insert_rowid()
            }
        };
        self.gpus.insert(name.clone(), id);
        Ok(id)
    }
}

fn insertion(table: Table) -> String {
    let columns: Vec<&str> = ["time"]
        .into_iter()
        .chain(table.keys().iter().copied())
        .chain(table.columns().iter().map(|column| column.name))
        .collect();
    let places = super::sql::places(columns.len());
    format!("INSERT OR REPLACE INTO {} ({}) VALUES ({places})", table.name(), columns.join(", "))
}

/// Samples of a table within times, oldest first; only these columns.
pub(super) fn read(
    connection: &Connection,
    table: Table,
    range: &Range<u64>,
    columns: &[&'static Column],
) -> rusqlite::Result<Vec<VitalsSample>> {
    let (keys, join) = match table {
        Table::Gpu => ("gpu, uuid, name, mig".to_owned(), " JOIN gpus USING (id)"),
        _ => (table.keys().join(", "), ""),
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let selected: Vec<&str> =
        ["time"].into_iter().chain((!keys.is_empty()).then_some(keys.as_str())).chain(names).collect();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM {}{join} WHERE time >= ?1 AND time < ?2 ORDER BY time",
        selected.join(", "),
        table.name()
    ))?;
    let [from, to] = [range.start, range.end].map(|nanos| whole(nanos.div_ceil(NANOS)));
    let rows = statement.query_map([from, to], |row| sample(row, table, columns))?;
    rows.collect()
}

fn sample(row: &Row<'_>, table: Table, columns: &[&'static Column]) -> rusqlite::Result<VitalsSample> {
    let (entity, keys) = match table {
        Table::Host => (Entity::Host, 1),
        Table::Process => (Entity::Process { pid: row.get(1)? }, 2),
        Table::Gpu => {
            let name = GpuName { gpu: row.get(1)?, uuid: row.get(2)?, name: row.get(3)?, mig: row.get(4)? };
            (Entity::Gpu(name), 5)
        }
        Table::GpuProcess => {
            let pid = row.get(2)?;
            (Entity::GpuProcess { gpu: row.get(1)?, pid: (pid != 0).then_some(pid) }, 3)
        }
    };
    let mut values = Vec::with_capacity(columns.len());
    for (place, column) in columns.iter().enumerate() {
        if let Some(stored) = row.get::<_, Option<i64>>(keys + place)? {
            values.push((column.name, column.value(stored)));
        }
    }
    let time: i64 = row.get(0)?;
    Ok(VitalsSample { unix_nanos: time.max(0).cast_unsigned() * NANOS, entity, values })
}
