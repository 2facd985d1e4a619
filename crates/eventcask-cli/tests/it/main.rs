//! The command line from outside: what rows become, what is printed, what is refused.

mod support;
mod binary;
mod ndjson;
mod clustered;
mod csv;
mod sources;
mod output;
mod usage;
mod ingest;
mod incoming;
mod append;
mod queries;
mod subscriptions;
mod past;
mod read_only;
mod limits;
mod small_disk;
mod full_disk;
mod terminal;
mod foreign;
mod writers;
mod fixtures;
mod repair;
mod backup;
mod truncate;
mod load;
