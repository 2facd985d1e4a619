use eventcask_sqlite::Upsert;
use eventcask_sqlite::rusqlite::Connection;

type Row = (String, i64, i64, i64, i64);

fn rows(database: &Connection) -> Vec<Row> {
    let mut query = database
        .prepare("SELECT * FROM \"of \"\" days\" ORDER BY 1")
        .unwrap();
    let rows = query.query_map([], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        ))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_row_is_made_or_merged_column_by_column_whatever_the_number_of_rows() {
    for count in [1, 7, 8, 63, 64, 65, 200] {
        let database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(
                "CREATE TABLE \"of \"\" days\"
                 (\"the day\" TEXT PRIMARY KEY, sum, last, least, most)",
            )
            .unwrap();
        let upsert = Upsert::into("of \" days").key("the day");
        let upsert = upsert.sum("sum").replace("last").min("least").max("most");
        for half in 0..2 {
            let mut changes = upsert.rows();
            for number in 0..count {
                let (day, value) = (format!("day-{}", number % 3), half * count + number);
                let value = || value.into();
                changes.push([day.into(), 1_i64.into(), value(), value(), value()]);
            }
            changes.write(&database).unwrap();
        }
        let of_day = |day: i64| {
            let all = (0..2 * count).filter(|number| (number % count) % 3 == day);
            let all: Vec<i64> = all.collect();
            let (first, last) = (*all.first()?, *all.last()?);
            Some((format!("day-{day}"), all.len() as i64, last, first, last))
        };
        let wanted: Vec<Row> = (0..3).filter_map(of_day).collect();
        assert_eq!(rows(&database), wanted, "{count} rows");
    }
}

#[test]
fn keys_alone_are_kept_once() {
    let database = Connection::open_in_memory().unwrap();
    database
        .execute_batch("CREATE TABLE seen (a, b, PRIMARY KEY (a, b))")
        .unwrap();
    let upsert = Upsert::into("seen").key("a").key("b");
    let mut rows = upsert.rows();
    for number in 0..20_i64 {
        rows.push([(number % 2).into(), (number % 5).into()]);
    }
    rows.write(&database).unwrap();
    let count = database.query_row("SELECT count(*) FROM seen", [], |row| row.get::<_, i64>(0));
    assert_eq!(count.unwrap(), 10);
}

#[test]
fn no_rows_are_no_statement() {
    let database = Connection::open_in_memory().unwrap();
    Upsert::into("nowhere")
        .key("a")
        .rows()
        .write(&database)
        .unwrap();
}
