//! What is in a database, for those who look whether something is.

use std::path::Path;

use rusqlite::{Connection, types::ValueRef};

/// Everything in every table of a SQLite file.
///
/// By SQL and not from the files: what is written last is in a second one, until it is not.
pub(crate) fn everything_in(database: &Path) -> Vec<u8> {
    let database = Connection::open(database).unwrap();
    let mut tables =
        database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut all = Vec::new();
    for table in tables {
        let Ok(mut rows) = database.prepare(&format!("SELECT * FROM \"{table}\"")) else {
            panic!("{table} cannot be read")
        };
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        all.extend_from_slice(bytes);
                    }
                    other => all.extend_from_slice(format!("{other:?}").as_bytes()),
                }
                all.push(b' ');
            }
        }
    }
    all
}
