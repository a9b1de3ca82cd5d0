//! A pool of database connections behind a gate.
//!
//! The gate decides how many queries run at once, when one is tried again, and when a database that is down is left alone. The
//! pool is then only a place for connections that are idle: whoever is admitted takes one or makes one, so there are
//! never more than the gate admits.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_compat::Compat;
use smol::{Executor, channel, net::unix::UnixStream};
use tidegate::{clock::Chance, upstream::Upstream};
use tidegate_core::{CallConfig, CallPolicy, End, Gate, GateConfig, Outcome, RateControl, Refusal, limit::LimitConfig};
use tokio_postgres::{Client, Config, Error, NoTls, error::SqlState};

use crate::work::Worked;

/// Queries at once, and so connections.
const POOL: u16 = 4;
const PORT: u16 = 5432;
/// After so many tiles every connection is cut, the one that has just stored a tile included: that tile is stored, and nobody
/// has heard of it.
const CUT_AFTER: u64 = 100;
const CUT_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'";
/// How long a query may take with all its attempts.
const QUERY_WITHIN: Duration = Duration::from_secs(30);

/// A database, a gate, and the connections that are idle.
pub(crate) struct Database {
    upstream: Upstream,
    policy: CallPolicy,
    chance: Chance,
    socket: PathBuf,
    executor: Arc<Executor<'static>>,
    idle: (channel::Sender<Arc<Client>>, channel::Receiver<Arc<Client>>),
    queries: AtomicU64,
    attempts: AtomicU64,
    connections: AtomicU64,
    /// Attempts that stored a tile, or found it stored.
    stored: AtomicU64,
}

/// What the database says of the tiles of one zoom.
pub(crate) struct Total {
    pub(crate) zoom: i16,
    pub(crate) tiles: i64,
    pub(crate) received: i64,
    pub(crate) unpacked: i64,
    pub(crate) packed: i64,
}

/// A query that did not come to a good end.
#[derive(Debug)]
pub(crate) struct Failed {
    end: End,
    last: Option<Trouble>,
}

/// What went wrong in one attempt.
#[derive(Debug)]
enum Trouble {
    Connect(io::Error),
    Query(Error),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database: {}", self.end)?;
        match &self.last {
            None => Ok(()),
            Some(Trouble::Connect(error)) => write!(f, ": {error}"),
            // The error itself only names its kind.
            Some(Trouble::Query(error)) => match error.as_db_error() {
                Some(said) => write!(f, ": {said}"),
                None => write!(f, ": {error}"),
            },
        }
    }
}

impl std::error::Error for Failed {}

impl Database {
    pub(crate) fn new(socket: PathBuf, executor: Arc<Executor<'static>>) -> Result<Self, Box<dyn std::error::Error>> {
        let gate = GateConfig {
            limit: LimitConfig::fixed(POOL),
            rate: RateControl::Unlimited,
            attempt_timeout: Duration::from_secs(5),
            slow_after: Duration::from_secs(1),
            ..GateConfig::DEFAULT
        };
        Ok(Self {
            upstream: Upstream::new(Gate::new(gate)?),
            policy: CallPolicy::new(CallConfig::DEFAULT)?,
            chance: Chance::from_system(),
            socket: socket.join(format!(".s.PGSQL.{PORT}")),
            executor,
            idle: channel::bounded(POOL.into()),
            queries: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            stored: AtomicU64::new(0),
        })
    }

    pub(crate) async fn create_table(&self) -> Result<(), Failed> {
        let sql = "DROP TABLE IF EXISTS tiles; CREATE TABLE tiles (z smallint, x integer, y integer, \
            received bigint NOT NULL, unpacked bigint NOT NULL, packed bigint NOT NULL, PRIMARY KEY (z, x, y))";
        self.query(|client| async move { client.batch_execute(sql).await }).await
    }

    /// Stores a tile once, however often it is tried: an answer may be lost after its query has done its work.
    pub(crate) async fn store(&self, worked: &Worked) -> Result<(), Failed> {
        let Worked { tile, received, unpacked, packed } = worked;
        let (zoom, place) = (i16::from(tile.z()), [tile.x() as i32, tile.y() as i32]);
        let sizes = [*received as i64, *unpacked as i64, packed.len() as i64];
        let sql = "INSERT INTO tiles VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let insert = |client: Arc<Client>| async move {
            client.execute(sql, &[&zoom, &place[0], &place[1], &sizes[0], &sizes[1], &sizes[2]]).await?;
            if self.stored.fetch_add(1, Ordering::Relaxed) == CUT_AFTER {
                client.batch_execute(CUT_ALL).await?;
            }
            Ok(())
        };
        self.query(insert).await
    }

    /// What is stored, zoom by zoom.
    pub(crate) async fn totals(&self) -> Result<Vec<Total>, Failed> {
        let sql = "SELECT z, count(*), sum(received)::bigint, sum(unpacked)::bigint, sum(packed)::bigint \
            FROM tiles GROUP BY z ORDER BY z";
        let rows = self.query(|client| async move { client.query(sql, &[]).await }).await?;
        let total = |row: &tokio_postgres::Row| Total {
            zoom: row.get(0),
            tiles: row.get(1),
            received: row.get(2),
            unpacked: row.get(3),
            packed: row.get(4),
        };
        Ok(rows.iter().map(total).collect())
    }

    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn in_flight_max(&self) -> u16 {
        self.upstream.status().in_flight_max
    }

    /// Runs a query under the gate. What `query` does may happen twice.
    async fn query<T, F>(&self, query: impl Fn(Arc<Client>) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let attempt = |_until| async {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            let result = match self.connection().await {
                Ok(client) => {
                    let result = query(Arc::clone(&client)).await.map_err(Trouble::Query);
                    if !client.is_closed() {
                        // Full only where one more was made than is admitted: then this one is closed.
                        let _full = self.idle.0.try_send(client);
                    }
                    result
                }
                Err(error) => Err(error),
            };
            (outcome_of(&result), result)
        };
        let deadline = self.upstream.deadline_in(QUERY_WITHIN);
        match self.upstream.run(&self.policy, deadline, || self.chance.draw(), attempt).await {
            (_, Some(Ok(value))) => Ok(value),
            (end, last) => Err(Failed { end, last: last.and_then(Result::err) }),
        }
    }

    /// An idle connection, or a new one.
    async fn connection(&self) -> Result<Arc<Client>, Trouble> {
        while let Ok(client) = self.idle.1.try_recv() {
            if !client.is_closed() {
                return Ok(client);
            }
        }
        let stream = UnixStream::connect(&self.socket).await.map_err(Trouble::Connect)?;
        let mut config = Config::new();
        let session = config.user("postgres").dbname("postgres").connect_raw(Compat::new(stream), NoTls);
        let (client, connection) = session.await.map_err(Trouble::Query)?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        // It ends with its client, or with the server's end; whoever waits for an answer is told then.
        self.executor.spawn(async { drop(connection.await) }).detach();
        Ok(Arc::new(client))
    }
}

/// What a result means for the gate: whether the database is well, and whether trying again may help.
fn outcome_of<T>(result: &Result<T, Trouble>) -> Outcome {
    let code = match result {
        Ok(_) => return Outcome::Success,
        Err(Trouble::Connect(_)) => None,
        Err(Trouble::Query(error)) => error.code(),
    };
    match code {
        // No connection, or one that broke.
        None => Outcome::Failure,
        Some(code) => match code.code().get(..2) {
            // Connection, rollback, resources, operator: not this query's fault.
            Some("08" | "40" | "53" | "57") => Outcome::Failure,
            _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => Outcome::Refused(Refusal::Access),
            // The query itself is wrong, and would be again.
            _ => Outcome::Refused(Refusal::Request),
        },
    }
}
