//! A headless Chromium, spoken to over a pipe in its own protocol: JSON that ends with a zero byte.
//!
//! The pipe needs neither a port nor a WebSocket, and the browser ends when its other end is closed:
//! by the test that returns, that panics or that is killed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long one command, or the end of the browser, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that are read ahead; the browser waits beyond.
const AHEAD: usize = 1024;

/// All names are this machine, so that nothing of the test leaves it.
const FLAGS: &str = "--headless --no-sandbox --no-first-run --disable-gpu --disable-dev-shm-usage \
    --disable-background-networking --disable-component-update --disable-sync --disable-breakpad \
    --disable-features=HttpsUpgrades --remote-debugging-pipe";
const NAMES: &str = "--host-resolver-rules=MAP * 127.0.0.1";

/// The program: `GAVEL_TEST_CHROMIUM`, else `chromium` of the `PATH`, else a skip said aloud, but not in CI.
pub(crate) fn program() -> Option<PathBuf> {
    let own = std::env::var_os("GAVEL_TEST_CHROMIUM").map(PathBuf::from);
    let found = own.or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut programs = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
        programs.find(|program| program.is_file())
    });
    if found.is_none() {
        assert!(std::env::var("CI").is_err(), "chromium must be there in CI");
        eprintln!("SKIPPED: chromium is missing, and GAVEL_TEST_CHROMIUM names none");
    }
    found
}

/// A person's window: with cookies of its own, and empty at first.
pub(crate) struct Page {
    session: String,
}

pub(crate) struct Browser {
    child: Child,
    commands: Option<ChildStdin>,
    heard: Receiver<Value>,
    sent: u64,
    complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it with these preferences of its user.
    pub(crate) fn start(program: &Path, preferences: &Value) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let folder = profile.path().join("Default");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("Preferences"), preferences.to_string()).unwrap();
        // The pipe is of the descriptors 3 and 4, which are the shell's to hand on.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec 3<&0 4>&1 </dev/null >/dev/null; exec \"$@\"",
                "sh",
            ])
            .arg(program)
            .args(FLAGS.split_whitespace())
            .arg(NAMES)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(profile.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let (tell, heard) = sync_channel(AHEAD);
        let listen = move || {
            let mut message = Vec::new();
            while answers
                .read_until(0, &mut message)
                .is_ok_and(|read| read > 0)
            {
                message.pop();
                let Ok(said) = serde_json::from_slice(&message) else {
                    break;
                };
                if tell.send(said).is_err() {
                    break;
                }
                message.clear();
            }
        };
        std::thread::Builder::new().spawn(listen).unwrap();
        Self {
            commands: child.stdin.take(),
            child,
            heard,
            sent: 0,
            complaints: Vec::new(),
            _profile: profile,
        }
    }

    /// The window of somebody whom no site knows yet.
    pub(crate) fn person(&mut self) -> Page {
        let mut target = self.call(None, "Target.createBrowserContext", json!({}));
        target["url"] = "about:blank".into();
        self.window(target)
    }

    /// The window of the one whose preferences the browser has.
    pub(crate) fn owner(&mut self) -> Page {
        self.window(json!({ "url": "about:blank" }))
    }

    fn window(&mut self, target: Value) -> Page {
        let target = self.call(None, "Target.createTarget", target);
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", attach);
        let page = Page {
            session: attached["sessionId"].as_str().unwrap().to_owned(),
        };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.call(Some(&page), domain, json!({}));
        }
        page
    }

    /// Has the window call itself what a browser with a screen does: one without is a robot.
    pub(crate) fn with_a_screen(&mut self, page: &Page) {
        let version = self.call(None, "Browser.getVersion", json!({}));
        let agent = version["userAgent"].as_str().unwrap();
        let agent = agent.replace("HeadlessChrome", "Chrome");
        let name = json!({ "userAgent": agent });
        self.call(Some(page), "Emulation.setUserAgentOverride", name);
    }

    /// Goes to an address, and waits until everything of that page has come.
    pub(crate) fn open(&mut self, page: &Page, url: &str) {
        let went = self.call(Some(page), "Page.navigate", json!({ "url": url }));
        assert_eq!(went.get("errorText"), None, "{url}: {went}");
        self.until(page, "document.readyState === 'complete'");
    }

    /// Follows a link of the page, as a person does, and waits until what it leads to has come.
    pub(crate) fn follow(&mut self, page: &Page, link: &str, to: &str) {
        self.value(page, &format!("document.querySelector('{link}').click()"));
        self.until(
            page,
            &format!("location.href.startsWith('{to}') && document.readyState === 'complete'"),
        );
    }

    /// What an expression is on the page; null while the page is on its way.
    pub(crate) fn value(&mut self, page: &Page, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "userGesture": true });
        let answer = self.send(Some(page), "Runtime.evaluate", asked);
        answer["result"]["result"]["value"].clone()
    }

    /// Waits until an expression is true on the page.
    pub(crate) fn until(&mut self, page: &Page, expression: &str) {
        let start = Instant::now();
        while self.value(page, expression) != Value::Bool(true) {
            let at = self.value(page, "location.href");
            assert!(
                start.elapsed() < PATIENCE,
                "{expression} never holds on {at}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What consoles showed as wrong since this was asked last.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // A round trip: whatever was on its way before has come.
        self.call(None, "Browser.getVersion", json!({}));
        std::mem::take(&mut self.complaints)
    }

    fn call(&mut self, page: Option<&Page>, method: &str, params: Value) -> Value {
        let mut answer = self.send(page, method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    fn send(&mut self, page: Option<&Page>, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut command = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(page) = page {
            command["sessionId"] = page.session.as_str().into();
        }
        let commands = self.commands.as_mut().unwrap();
        write!(commands, "{command}\0").unwrap();
        commands.flush().unwrap();
        loop {
            let said = self.heard.recv_timeout(PATIENCE);
            let said = said.unwrap_or_else(|_| panic!("chromium does not answer {method}"));
            if said["id"] == self.sent {
                return said;
            }
            self.complaints.extend(complaint(&said));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.commands.take());
        let start = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// An event that a developer would see in red or yellow.
fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    let wrong = match event["method"].as_str()? {
        "Runtime.exceptionThrown" => &params["exceptionDetails"],
        "Runtime.consoleAPICalled" => match params["type"].as_str()? {
            "error" | "warning" | "assert" => &params["args"],
            _ => return None,
        },
        "Log.entryAdded" => match params["entry"]["level"].as_str()? {
            "error" | "warning" => &params["entry"],
            _ => return None,
        },
        _ => return None,
    };
    Some(wrong.to_string())
}
