//! FreeRADIUS's `radclient`: what a client that is not ours makes of the answers.

use std::{
    io::Write,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use super::require;

/// One request, to be sent by the real `radclient`.
#[derive(Debug, Clone)]
pub struct Radclient {
    server: SocketAddr,
    secret: String,
    attributes: Vec<String>,
    tries: u32,
    timeout: Duration,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A verified answer: `Access-Accept`, `Access-Reject` or `Access-Challenge`, and its attributes
    /// as radclient prints them, quotes removed.
    Answer {
        /// The name of the code.
        code: String,
        /// Names and values, in order.
        attributes: Vec<(String, String)>,
    },
    /// No answer, or none that passed radclient's checks, within all tries.
    None,
}

impl Reply {
    /// Whether this is an answer with this code.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::Answer { code, .. } if code == name)
    }

    /// All values of an attribute, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::Answer { attributes, .. } => {
                let named = attributes.iter().filter(|(found, _)| found == name);
                named.map(|(_, value)| value.as_str()).collect()
            }
        }
    }
}

impl Radclient {
    /// A login with name and password and a Message-Authenticator; one try, 5 seconds.
    #[must_use]
    pub fn login(server: SocketAddr, secret: &str, user: &str, password: &str) -> Self {
        let empty = Self {
            server,
            secret: secret.to_owned(),
            attributes: vec!["Message-Authenticator = 0x00".to_owned()],
            tries: 1,
            timeout: Duration::from_secs(5),
        };
        empty
            .text("User-Name", user)
            .text("User-Password", password)
    }

    /// Adds an attribute with its value as radclient reads it (numbers, addresses, `0x…`).
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push(format!("{name} = {value}"));
        self
    }

    /// Adds an attribute that holds text.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        self.attribute(name, &format!("\"{quoted}\""))
    }

    /// How often it is sent, and how long each try waits.
    #[must_use]
    pub fn patience(mut self, tries: u32, timeout: Duration) -> Self {
        self.tries = tries;
        self.timeout = timeout;
        self
    }

    /// Sends it.
    ///
    /// # Panics
    /// When radclient cannot read the attributes or prints what is not understood here.
    #[must_use]
    pub fn send(&self) -> Reply {
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        writeln!(secret, "{}", self.secret).unwrap();
        let mut child = Command::new(require("radclient", "freeradius-utils"))
            .args([
                "-x",
                "-r",
                &self.tries.to_string(),
                "-t",
                &self.timeout.as_secs_f32().to_string(),
                "-S",
            ])
            .arg(secret.path())
            .args([&self.server.to_string(), "auth"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{}", self.attributes.join("\n")).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        let Some(reply) = parse(&printed) else {
            assert!(
                complaint.contains("No reply from server")
                    || printed.contains("No reply from server")
                    || complaint.contains("Reply verification failed"),
                "radclient: {printed}\n{complaint}"
            );
            return Reply::None;
        };
        reply
    }
}

/// Reads `Received Access-Accept Id 7 from … length 38` and the lines behind it.
fn parse(printed: &str) -> Option<Reply> {
    let mut lines = printed
        .lines()
        .skip_while(|line| !line.starts_with("Received "));
    let code = lines.next()?.split(' ').nth(1)?.to_owned();
    let attributes = lines
        .take_while(|line| line.starts_with('\t'))
        .filter_map(|line| line.trim().split_once(" = "))
        .map(|(name, value)| (name.to_owned(), unquote(value)))
        .collect();
    Some(Reply::Answer { code, attributes })
}

fn unquote(value: &str) -> String {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_quotes_and_breaks() {
        let printed = "Sent Access-Request Id 1 from 0.0.0.0:1 to 127.0.0.1:2 length 20\n\
            \tUser-Name = \"alice\"\n\
            Received Access-Challenge Id 1 from 127.0.0.1:2 to 127.0.0.1:1 length 60\n\
            \tReply-Message = \"say \\\"1\\\"\\nor 2\"\n\
            \tState = 0x0102\n";
        let reply = parse(printed).unwrap();
        assert!(reply.is("Access-Challenge"));
        assert_eq!(reply.all("Reply-Message"), ["say \"1\"\nor 2"]);
        assert_eq!(reply.all("State"), ["0x0102"]);
        assert_eq!(parse("(0) No reply from server for ID 1 socket 3\n"), None);
    }
}
