//! Typed events, through the public face.

mod account;
mod archives;
mod encoding;
mod reads;
mod projections;
mod schemas;
mod upcast;
