//! The corpus, and mutations of it from fixed seeds.

mod corpus;
mod mutations;
mod planted;
mod repair;
