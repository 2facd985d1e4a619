//! Tests of the event crate through its public face.
