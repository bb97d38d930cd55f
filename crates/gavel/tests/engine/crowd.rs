//! Thirty-two clients at once: each inserts and reads in the same moment as all the others, and gets its own.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::server::{PATIENCE, Server, encoded};

const CLIENTS: u32 = 32;
const ROWS: u64 = 20_000;
/// Of a result, so many that no buffer on the way holds them all.
const MUCH: u64 = 60_000;
const WIDE: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_clients_at_once() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (client UInt32, n UInt64) ENGINE = MergeTree ORDER BY (client, n)")
        .await;
    // All meet, with whoever looks on, in the middle of an INSERT and in the middle of a result.
    let meeting = Arc::new(Barrier::new(CLIENTS as usize + 1));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(one(server.address, client, Arc::clone(&meeting)));
    }
    let all = CLIENTS.to_string();
    let running =
        |word: &str| format!("SELECT count() FROM system.processes WHERE query LIKE '{word}%'");
    for word in ["INSERT INTO t", "SELECT client, n, repeat"] {
        server.wait_for(&running(word), &all).await;
        meeting.wait().await;
    }
    let answered = async {
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, answered)
        .await
        .expect("all clients get their answers");
    let counts = "SELECT count(), uniqExact(client, n), countIf(n >= 20000) FROM t";
    let expected = u64::from(CLIENTS) * ROWS;
    assert_eq!(
        server.run(counts).await,
        format!("{expected}\t{expected}\t0\n")
    );
}

async fn one(address: SocketAddr, client: u32, meeting: Arc<Barrier>) {
    let rows: Vec<u8> = (0..ROWS)
        .flat_map(|n| [&client.to_le_bytes()[..], &n.to_le_bytes()].concat())
        .collect();
    let (first, second) = rows.split_at(rows.len() / 2);
    let insert = encoded("INSERT INTO t FORMAT RowBinary");
    let head = format!(
        "POST /?query={insert} HTTP/1.0\r\ncontent-length: {}\r\n\r\n",
        rows.len()
    );
    let mut stream = connect(address).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(first).await.unwrap();
    meeting.wait().await;
    stream.write_all(second).await.unwrap();
    assert_eq!(rest(&mut stream).await, b"");

    let query = format!(
        "SELECT client, n, repeat('x', {WIDE}) FROM t ARRAY JOIN [1, 2, 3] AS again WHERE client = {client} FORMAT RowBinary"
    );
    // Little waits inside of the engine.
    let head = format!(
        "POST /?max_block_size=1000&output_format_parallel_formatting=0 HTTP/1.0\r\ncontent-length: {}\r\n\r\n{query}",
        query.len()
    );
    let mut stream = connect(address).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    meeting.wait().await;
    let result = rest(&mut stream).await;
    // A length of two bytes before the text.
    let row = 4 + 8 + 2 + WIDE;
    assert_eq!(result.len() as u64, MUCH * row as u64, "client {client}");
    let mut seen = vec![0_u8; ROWS as usize];
    for row in result.chunks(row) {
        assert_eq!(row[..4], client.to_le_bytes());
        let n = u64::from_le_bytes(row[4..12].try_into().unwrap());
        seen[n as usize] += 1;
    }
    assert!(seen.iter().all(|times| *times == 3), "client {client}");
}

/// A client with little room for what it does not read.
pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(200 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

/// The body of a good answer, which ends with the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    answer.split_off(end + 4)
}
