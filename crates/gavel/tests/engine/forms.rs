//! Forms in the body: the query, its parameters, and tables of external data.

use hyper::Method;

use crate::server::{Answer, Server};

/// A part of a form: a file if it has a structure, else a field.
struct Part<'p>(&'p str, bool, &'p str);

async fn send(server: &Server, target: &str, parts: &[Part<'_>]) -> Answer {
    let mut body = String::new();
    for Part(name, file, value) in parts {
        let filename = if *file { "; filename=\"f\"" } else { "" };
        body.push_str(&format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str("--b--\r\n");
    let form = [("content-type", "multipart/form-data; boundary=b")];
    server.send(Method::POST, target, &form, body).await
}

#[tokio::test]
async fn query_parameters_and_tables_come_in_a_form() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let fields = [
        Part("query", false, "SELECT {x:String}, {y:UInt8}"),
        Part("param_x", false, "a\\nb"),
    ];
    assert_eq!(
        send(&server, "/?param_y=7", &fields).await.ok(),
        "a\\nb\t7\n"
    );

    let rows: String = (0..200_000).map(|row| format!("{row},n{row}\n")).collect();
    let tables = [
        Part(
            "query",
            false,
            "SELECT count(), sum(id), any(name LIKE 'n%') FROM t WHERE id IN u",
        ),
        Part("t", true, &rows),
        Part("u", true, "1\n2\n199999\n"),
    ];
    let target = "/?t_structure=id+UInt64,+name+String&t_format=CSV&u_types=UInt64";
    for session in ["", "&session_id=s", "&session_id=s", "&readonly=1"] {
        let answer = send(&server, &format!("{target}{session}"), &tables).await;
        assert_eq!(answer.ok(), "3\t200002\t1\n", "{session}");
    }
    for (target, part, code) in [
        ("/", Part("t", true, "1"), "36"),
        ("/?t_structure=a+UInt8", Part("t", true, "x\n"), "27"),
        (
            "/?t_structure=a+UInt8&t_format=Nope",
            Part("t", true, "1"),
            "73",
        ),
        (
            "/?t_structure=a+String+DEFAULT+file('/etc/hostname')",
            Part("t", true, "1"),
            "36",
        ),
        ("/?t_structure=a+Nope", Part("t", true, "1"), "50"),
    ] {
        let answer = send(&server, target, &[Part("query", false, "SELECT 1"), part]).await;
        let seen = answer.header("x-clickhouse-exception-code");
        assert_eq!(seen, Some(code), "{target}: {}", answer.text());
    }
    let form = [("content-type", "multipart/form-data; boundary=b")];
    let cut = server
        .send(Method::POST, "/", &form, "--b\r\nContent-Di")
        .await;
    assert_eq!(cut.header("x-clickhouse-exception-code"), Some("36"));
}
