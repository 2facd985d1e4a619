//! `eventcask load`, which has a crate of its own.

use std::path::Path;

use eventcask_load::Directory;
use eventcask_load::args::LoadArgs;

use crate::args::{Global, STORE};
use crate::failure::Failure;

pub(super) fn run(args: &LoadArgs, global: &Global) -> Result<(), Failure> {
    let directory = Directory {
        path: &global.store,
        is_named: global.store != Path::new(STORE),
    };
    eventcask_load::run(args, directory, global.json)
}
