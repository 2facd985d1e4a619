//! Typed events, through the public face.

mod account;
mod encoding;
mod schemas;
mod upcast;
