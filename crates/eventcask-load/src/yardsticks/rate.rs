//! How often something can be done.

use std::time::{Duration, Instant};

/// How long each is measured.
pub(crate) const TIME: Duration = Duration::from_millis(300);

/// Does something again and again, and says how often it was done a second.
pub(crate) fn rate<E>(mut step: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    step()?;
    let (started, mut steps) = (Instant::now(), 0_u64);
    while started.elapsed() < TIME {
        step()?;
        steps += 1;
    }
    Ok(steps as f64 / started.elapsed().as_secs_f64())
}

/// [`rate`] of what can not fail.
pub(crate) fn rate_of(mut step: impl FnMut()) -> f64 {
    let done: Result<f64, std::convert::Infallible> = rate(|| {
        step();
        Ok(())
    });
    match done {
        Ok(rate) => rate,
    }
}
