//! Why the queue could not do what it was asked.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::layout::LAYOUT;

/// Why the queue could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Another process has this queue open.
    #[error("queue {} is in use by another process: stop that agent first", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The file is no database, or not a whole one.
    #[error("queue {} is damaged", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The database was written by a version that this one does not know.
    #[error("queue {} has layout {found}, this program knows layout {LAYOUT}", path.display())]
    Layout {
        /// The database file.
        path: PathBuf,
        /// The layout's number in the file.
        found: i64,
    },
    /// The disk is full, read-only, or fails.
    #[error("queue {} cannot be written or read", path.display())]
    Disk {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder cannot be made.
    #[error("folder of queue {} cannot be made", path.display())]
    Folder {
        /// The database file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The operating system has no thread for the queue.
    #[error("no thread for the queue")]
    Thread(#[source] std::io::Error),
}

impl QueueError {
    /// Whether the disk is at fault: it may recover, and what the queue holds is not in doubt.
    #[must_use]
    pub const fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Disk { .. } | Self::Folder { .. } => true,
            Self::InUse { .. } | Self::Damaged { .. } | Self::Layout { .. } | Self::Thread(_) => {
                false
            }
        }
    }
}

/// Sorts an error of SQLite's, and names the file.
pub(super) fn named(path: &Path, source: rusqlite::Error) -> QueueError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => QueueError::InUse { path },
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::NoLargeFileSupport
            | ErrorCode::OutOfMemory,
        ) => QueueError::Disk { path, source },
        // Also where SQLite finds nothing wrong: a bit in the text of the layout makes our own statements
        // wrong, for ever.
        _ => QueueError::Damaged { path, source },
    }
}
