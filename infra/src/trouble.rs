//! Why a command of the operator's program failed.

use std::io;
use std::path::PathBuf;

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A port is taken or not allowed.
    #[error("{what} cannot listen on 127.0.0.1:{port}: choose another port, or 0 for a free one")]
    Listen {
        /// What was to listen.
        what: String,
        /// The port.
        port: u16,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A file or folder cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A file is no PEM.
    #[error("{} is no PEM file", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate cannot be made.
    #[error("certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The embedded DynamoDB cannot be opened.
    #[error("the embedded DynamoDB cannot be opened: {0}")]
    DynamoDb(String),
    /// A table cannot be made.
    #[error("table {name} cannot be made: {error}")]
    Table {
        /// Its name.
        name: String,
        /// What DynamoDB says.
        error: String,
    },
    /// A query failed.
    #[error("the query failed: {0}")]
    Query(String),
    /// A device cannot be provisioned as things are.
    #[error("{0}")]
    Provision(String),
    /// Some devices of a fleet could not be provisioned.
    #[error(
        "{failed} of {total} devices could not be provisioned: mend what is said of each and repeat it; what is done stays"
    )]
    Fleet {
        /// Devices that are not provisioned.
        failed: usize,
        /// All devices of the list.
        total: usize,
    },
    /// The deployment is not what it should be.
    #[error("{wrong} things are wrong")]
    Unsound {
        /// How many.
        wrong: usize,
    },
    /// A command of another program failed.
    #[error("{line}: {said}")]
    Command {
        /// The command.
        line: String,
        /// Its status, or why it could not be started.
        said: String,
    },
    /// The account refused something, or cannot be reached.
    #[error("{action}: {said}")]
    Account {
        /// What was asked for.
        action: String,
        /// What AWS says.
        said: String,
    },
    /// An export or import cannot go on as things are, or has left something out.
    #[error("{0}")]
    Transfer(String),
    /// A queue of SQS cannot be used.
    #[error("the queue {url} cannot be used: {error}")]
    SqsQueue {
        /// Its URL.
        url: String,
        /// What SQS says.
        error: String,
    },
    /// Something that was replayed could not be written.
    #[error(
        "the replay has stopped at a message that could not be written: repeat it when the table can be reached; what is done is not lost"
    )]
    Replay,
    /// A file of the local cloud is damaged.
    #[error("a database of the local cloud cannot be used")]
    Database(#[from] rusqlite::Error),
    /// The agent's queue cannot be read.
    #[error(transparent)]
    Queue(#[from] tidings_agent::queue::QueueError),
    /// The URL of a function is none.
    #[error("expected an http URL such as http://127.0.0.1:9000, but found {0:?}")]
    InvokeUrl(String),
    /// The agent's process failed.
    #[error("the agent cannot be started")]
    Agent(#[source] io::Error),
    /// Another `up` uses the folder.
    #[error("{} is in use by another `tidings up`: stop it, or choose another --data", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The arguments are wrong.
    #[error("wrong arguments: {0}")]
    Usage(String),
    /// Something was lost or stored twice.
    #[error("the comparison failed: {lost} readings lost, {duplicates} stored twice")]
    Comparison {
        /// Readings that are nowhere.
        lost: u64,
        /// Readings that are visible more than once.
        duplicates: u64,
    },
    /// Standard output failed.
    #[error("standard output failed")]
    Output(#[from] io::Error),
    /// A mistake in this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Trouble {
    /// 2 where the user's text is wrong, 1 where the world is.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::InvokeUrl(_) => 2,
            Self::Listen { .. }
            | Self::File { .. }
            | Self::Pem { .. }
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::DynamoDb(_)
            | Self::Table { .. }
            | Self::Query(_)
            | Self::Account { .. }
            | Self::Provision(_)
            | Self::Command { .. }
            | Self::Unsound { .. }
            | Self::Fleet { .. }
            | Self::Transfer(_)
            | Self::SqsQueue { .. }
            | Self::Replay
            | Self::Database(_)
            | Self::Queue(_)
            | Self::Agent(_)
            | Self::InUse { .. }
            | Self::Comparison { .. }
            | Self::Output(_)
            | Self::Internal(_) => 1,
        }
    }
}
