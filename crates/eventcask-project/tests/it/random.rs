//! Views against a naive group-by over whole JSON values.

use std::collections::BTreeMap;

use eventcask_project::Number;
use serde_json::Value;

use crate::support::{Row, flight, spec, state_of};

/// Xorshift: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn pick(&mut self, texts: &[&str]) -> String {
        texts[self.below(texts.len() as u64) as usize].to_owned()
    }

    /// A value as JSON text; numbers are quarters, so that sums of floats are exact too.
    fn value(&mut self, depth: u64) -> String {
        match self.below(8 + depth) {
            0 => self.pick(&[
                "null",
                "true",
                "false",
                "[]",
                "[1,{\"k\":2}]",
                "\"\"",
                "\"7\"",
            ]),
            1 => self.pick(&["\"UA\"", "\"\\u0055A\"", "\"a\\\"b\"", "\"é\"", "\"\\\\\""]),
            2..=4 => format!("{}", self.below(2000) as i64 - 1000),
            5..=7 => format!("{}", (self.below(8000) as f64 - 4000.0) / 4.0),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: u64) -> String {
        let fields: Vec<_> = (0..self.below(7))
            .map(|_| {
                let names = [
                    "k",
                    "a",
                    "b",
                    "c",
                    "\\u0061",
                    "long name",
                    "ab",
                    "a.b",
                    "b.a",
                    "b.a.c",
                ];
                let name = self.pick(&names);
                let space = self.pick(&["", " ", "\n\t"]);
                format!(
                    "{space}\"{name}\"{space}:{space}{}{space}",
                    self.value(depth)
                )
            })
            .collect();
        format!("{{{}}}", fields.join(","))
    }

    fn payload(&mut self) -> String {
        let object = self.object(3);
        let key = self.pick(&["\"UA\"", "\"AA\"", "1", "true", "null", "\"a\\\"b\""]);
        let whole = match object.strip_prefix("{}") {
            Some(_) => format!("{{\"k\":{key}}}"),
            None => object.replacen('{', &format!("{{\"k\":{key},"), 1),
        };
        let cut = self.below(20 * whole.len() as u64) as usize;
        if cut < whole.len() && whole.is_char_boundary(cut) {
            whole[..cut].to_owned()
        } else {
            whole
        }
    }
}

/// What `count`, and for each field count, sum, minimum and maximum should be.
#[derive(Default, Debug, PartialEq)]
struct Expected {
    count: u64,
    fields: Vec<(u64, f64, Option<f64>, Option<f64>)>,
}

const FIELDS: [&str; 4] = ["a", "a.b", "b.a.c", "c"];

/// The member with the longest name that the path begins with decides.
fn reach<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    let shorter = path.rmatch_indices('.').map(|(at, _)| at);
    let mut names = [path.len()].into_iter().chain(shorter);
    let (end, found) = names.find_map(|end| Some((end, object.get(&path[..end])?)))?;
    path.get(end + 1..)
        .map_or(Some(found), |rest| reach(found, rest))
}

fn naive(key: &str, rows: &[Row]) -> BTreeMap<String, Expected> {
    let mut groups = BTreeMap::<String, Expected>::new();
    for row in rows {
        let Ok(value) = serde_json::from_slice::<Value>(&row.payload) else {
            continue;
        };
        let key = match reach(&value, key) {
            Some(Value::String(text)) => text.clone(),
            Some(number @ (Value::Number(_) | Value::Bool(_))) => number.to_string(),
            _ => continue,
        };
        let group = groups.entry(key).or_default();
        group.count += 1;
        group.fields.resize(FIELDS.len(), (0, 0.0, None, None));
        for (path, field) in FIELDS.iter().zip(&mut group.fields) {
            let Some(number) = reach(&value, path).and_then(Value::as_f64) else {
                continue;
            };
            field.0 += 1;
            field.1 += number;
            field.2 = Some(field.2.map_or(number, |min| min.min(number)));
            field.3 = Some(field.3.map_or(number, |max| max.max(number)));
        }
    }
    groups
}

fn viewed(key: &str, rows: &[Row]) -> BTreeMap<String, Expected> {
    let mut aggregations = vec!["count".to_owned()];
    for field in FIELDS {
        aggregations.extend(["count", "sum", "min", "max"].map(|kind| format!("{kind}:{field}")));
    }
    let aggregations: Vec<_> = aggregations.iter().map(String::as_str).collect();
    let state = state_of(&spec(key, &aggregations), rows);
    let rows = state.rows().into_iter().map(|row| {
        let value = |text: &str| row.value(text).unwrap().number().map(Number::to_f64);
        let of = |kind: &str, field: &str| value(&format!("{kind}:{field}"));
        let field = |name: &&str| {
            let count = of("count", name).unwrap() as u64;
            (
                count,
                of("sum", name).unwrap(),
                of("min", name),
                of("max", name),
            )
        };
        let count = value("count").unwrap() as u64;
        (
            row.key.clone(),
            Expected {
                count,
                fields: FIELDS.iter().map(field).collect(),
            },
        )
    });
    rows.collect()
}

#[test]
fn a_view_equals_a_naive_group_by() {
    for seed in 1..=300_u64 {
        println!("seed {seed}");
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let rows: Vec<_> = (0..100).map(|_| flight(&random.payload())).collect();
        for key in ["k", "a", "b.k"] {
            assert_eq!(
                viewed(key, &rows),
                naive(key, &rows),
                "seed {seed}, key {key}"
            );
        }
    }
}
