//! The broker itself: it answers where it says, ends by `kill -9`, stops, and comes back.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use servers::{KAFKA, Kafka};

const SOON: Duration = Duration::from_secs(20);
const A_MOMENT: Duration = Duration::from_millis(200);

/// Asks which versions it speaks, and waits so long for the length of its answer.
fn ask(connection: &mut TcpStream, patience: Duration) -> io::Result<u32> {
    connection.set_read_timeout(Some(patience))?;
    connection.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])?;
    let mut length = [0; 4];
    connection.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    io::copy(&mut connection.take(length.into()), &mut io::sink())?;
    Ok(length)
}

#[test]
fn a_broker_is_stopped_killed_and_comes_back() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(&jars, dir.path()).unwrap();
    let addr = kafka.addr();
    let connect = || TcpStream::connect(addr).unwrap();
    assert!(ask(&mut connect(), SOON).unwrap() > 10);

    kafka.stop().unwrap();
    assert!(ask(&mut connect(), A_MOMENT).is_err(), "nobody answers");
    kafka.go_on().unwrap();
    assert!(ask(&mut connect(), SOON).unwrap() > 10);

    kafka.kill().unwrap();
    assert!(TcpStream::connect(addr).is_err(), "nobody listens");
    assert!(kafka.stop().is_err());
    kafka.start_again().unwrap();
    assert_eq!(kafka.addr(), addr);
    assert!(ask(&mut connect(), SOON).unwrap() > 10);

    drop(kafka);
    assert!(TcpStream::connect(addr).is_err(), "nobody listens");
}
