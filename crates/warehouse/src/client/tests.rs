//! What is sent of rows, beside what the client library sends of the same rows.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::Builder;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::{Money, Time};

/// A server that takes everything; gives the body of each request.
fn server() -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (heard, bodies) = mpsc::sync_channel(2);
    let spawn = |work: Box<dyn FnOnce() + Send>| {
        let thread = Builder::new().name("server".to_owned());
        drop(thread.spawn(work).unwrap());
    };
    spawn(Box::new(move || {
        for stream in listener.incoming() {
            let heard = heard.clone();
            spawn(Box::new(move || {
                while let Some(body) = answer(stream.as_ref().unwrap()) {
                    heard.send(body).unwrap();
                }
            }));
        }
    }));
    (url, bodies)
}

/// Reads a request whose body comes in chunks; none at the end.
fn answer(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let mut from = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    if line().is_empty() {
        return None;
    }
    while !line().is_empty() {}
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let size = u64::from_str_radix(line.trim_end(), 16).unwrap();
        from.by_ref().take(size).read_to_end(&mut body).unwrap();
        from.read_line(&mut String::new()).unwrap();
        if size == 0 {
            break;
        }
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    Some(body)
}

fn row() -> impl Strategy<Value = EventRow<'static>> {
    let text = || "[a-zß,]{0,3}|[a-zß]{120,135}";
    let pairs = || vec((text(), text()), 0..3);
    let numbers = (any::<[i64; 2]>(), any::<u64>());
    let may_be = (option::of(any::<i64>()), option::of(any::<i64>()));
    let lists = (vec(text(), 0..3), pairs(), pairs(), vec(text(), 0..3));
    (vec(text(), 30), numbers, may_be, lists).prop_map(|(texts, numbers, may_be, lists)| {
        let ([ts, received_at], version) = numbers;
        let (person, sub, utm, flags) = lists;
        let mut texts = texts.into_iter().map(Into::into);
        let mut text = || texts.next().unwrap();
        let all = |texts: Vec<String>| texts.into_iter().map(Into::into).collect();
        let pairs = |pairs: Vec<(String, String)>| {
            let pairs = pairs.into_iter();
            pairs.map(|(name, it)| (name.into(), it.into())).collect()
        };
        EventRow {
            event_id: text(),
            kind: text(),
            ts: Time(ts),
            received_at: Time(received_at),
            visitor: text(),
            click_id: text(),
            campaign: text(),
            publisher: text(),
            link: text(),
            offer: text(),
            goal: text(),
            txid: text(),
            amount: may_be.0.map(Money),
            currency: text(),
            status: text(),
            source: text(),
            parent: text(),
            lead_id: text(),
            person: all(person),
            sub: pairs(sub),
            utm: pairs(utm),
            gclid: text(),
            gbraid: text(),
            wbraid: text(),
            fbclid: text(),
            fbc: text(),
            fbp: text(),
            ttclid: text(),
            msclkid: text(),
            landing: text(),
            page: text(),
            referrer: text(),
            ip_prefix: text(),
            ip_hash: text(),
            device: text(),
            os: text(),
            flags: all(flags),
            skew_us: may_be.1,
            version,
        }
    })
}

#[test]
fn rows_of_events_are_sent_as_the_library_writes_them() {
    let (url, bodies) = server();
    let runtime = Runtime::new().unwrap();
    let warehouse = {
        let _inside = runtime.enter();
        Warehouse::connect(Address::new(&url, "gavel")).unwrap()
    };
    // As after the first insert.
    warehouse
        .compared
        .store(bit(Table::Events), Ordering::Relaxed);
    let config = ProptestConfig::with_cases(64);
    proptest!(config, |(rows in vec(row(), 1..4))| {
        let mut events = Events::default();
        rows.iter().for_each(|row| events.push(row));
        let read: Result<Vec<_>, _> = events.iter().collect();
        prop_assert_eq!(read.unwrap(), rows.clone());
        runtime.block_on(async {
            let mut insert = warehouse.trusting.insert::<EventRow<'_>>("events").await.unwrap();
            for row in &rows {
                insert.write(row).await.unwrap();
            }
            insert.end().await.unwrap();
            warehouse.write_events(&events, None).await.unwrap();
        });
        let (theirs, ours) = (bodies.recv().unwrap(), bodies.recv().unwrap());
        prop_assert_eq!(theirs, ours);
    });
}

#[test]
fn rows_longer_than_a_piece_are_sent_whole() {
    let (url, bodies) = server();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let warehouse = Warehouse::connect(Address::new(&url, "gavel")).unwrap();
        warehouse
            .compared
            .store(bit(Table::Events), Ordering::Relaxed);
        let mut events = Events::default();
        let long = "x".repeat(PIECE);
        for _ in 0..3 {
            events.push(&EventRow {
                landing: long.as_str().into(),
                ..EventRow::default()
            });
        }
        warehouse.write_events(&events, Some("one")).await.unwrap();
        assert_eq!(bodies.recv().unwrap(), events.bytes());
    });
}
