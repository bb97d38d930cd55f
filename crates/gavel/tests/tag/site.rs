//! A web server for the pages of publishers and advertisers. A browser that resolves all names to this
//! machine sees as many sites in it as there are names.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Header lines of the answer, and the page.
type Pages = BTreeMap<&'static str, (String, String)>;

pub(crate) struct Site {
    listener: TcpListener,
}

impl Site {
    pub(crate) fn bind() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    /// The site under a name.
    pub(crate) fn named(&self, name: &str) -> String {
        let port = self.listener.local_addr().unwrap().port();
        format!("http://{name}:{port}")
    }

    /// Serves pages by their paths until the test ends.
    pub(crate) fn serve(&self, pages: Pages) {
        let listener = self.listener.try_clone().unwrap();
        let pages = Arc::new(pages);
        let accept = move || {
            for stream in listener.incoming() {
                let pages = Arc::clone(&pages);
                let answer = move || answer(&pages, &stream.unwrap());
                std::thread::Builder::new().spawn(answer).unwrap();
            }
        };
        std::thread::Builder::new().spawn(accept).unwrap();
    }
}

/// Answers one request and closes. A browser opens connections that it never uses.
fn answer(pages: &Pages, stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    // The rest of the head says nothing that a page depends on, but has to be read.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let target = first.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let (status, (headers, page)) = match pages.get(path) {
        Some(page) => ("200 OK", page.clone()),
        None => ("204 No Content", Default::default()),
    };
    let length = page.len();
    // A browser that has gone meanwhile is no news.
    let _ = (&mut &*stream).write_all(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n\
             content-length: {length}\r\n{headers}\r\n{page}"
        )
        .as_bytes(),
    );
}
