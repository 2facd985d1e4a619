//! Tests of the tables through the public face, each against the map of the standard library.

mod index_table;
mod small_table;
