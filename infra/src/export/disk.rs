//! The steps by which a file outlives the program and the power: synced, named, and the name synced.
//! A test ends an export at any one of them.

use std::fs::File;
use std::io;
use std::path::Path;

/// Syncs a file that is whole.
pub(super) fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_all()
}

/// Gives a file that is whole and synced its name, and syncs the folder, so that the name outlives a
/// power cut as well.
pub(super) fn settle(part: &Path, path: &Path) -> io::Result<()> {
    step()?;
    std::fs::rename(part, path)?;
    step()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in a test it may fail")]
const fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use tests::step;

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        /// Steps that this thread's disk still takes before nothing lasts any more.
        static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    pub(super) fn step() -> io::Result<()> {
        let left = LEFT.get();
        LEFT.set(left.saturating_sub(1));
        if left == 0 { Err(io::Error::other("the end")) } else { Ok(()) }
    }

    /// Lets this thread's disk take so many steps.
    pub(in crate::export) fn last(steps: usize) {
        LEFT.set(steps);
    }
}
