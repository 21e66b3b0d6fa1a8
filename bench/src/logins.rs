//! Access-Requests as a client sends them, and what an answer is worth.

use std::fmt;

use dataplane::radius::{
    AttributeType, Authenticator, Code, MAX_VALUE_OCTETS, Packet, RequestBuilder, SharedSecret,
    verify_response,
};
use proto::config::MessageAuthenticator;

/// One login: what is sent for it, and what its answer is checked against.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) datagram: Vec<u8>,
    authenticator: Authenticator,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept,
    /// Another answer, and a genuine one.
    Other,
    /// Not an answer to this login, or not from one who knows the secret.
    Wrong,
}

/// A client with its secret.
pub(crate) struct Client {
    secret: SharedSecret,
    policy: MessageAuthenticator,
    /// Random at the start, then counted up: no authenticator is used twice.
    next: u128,
}

impl Client {
    /// A client that wants a Message-Authenticator in every answer, or takes what comes.
    pub(crate) fn new(secret: &str, policy: MessageAuthenticator) -> Self {
        let mut start = [0; 16];
        getrandom::fill(&mut start).unwrap();
        Self {
            secret: SharedSecret::new(secret.as_bytes()),
            policy,
            next: u128::from_ne_bytes(start),
        }
    }

    /// Makes a login that was never sent before: Message-Authenticator, User-Name, User-Password,
    /// NAS-IP-Address and Calling-Station-Id.
    pub(crate) fn login(&mut self, identifier: u8, user: &str, password: &str) -> Login {
        self.request(identifier, user, password, None)
    }

    /// The same, in answer to the challenge that this State came with.
    pub(crate) fn answer(
        &mut self,
        identifier: u8,
        user: &str,
        typed: &str,
        state: &[u8],
    ) -> Login {
        self.request(identifier, user, typed, Some(state))
    }

    /// A step of EAP that was never sent before, for what does not look at its answer.
    pub(crate) fn eap(
        &mut self,
        identifier: u8,
        user: &str,
        packet: &[u8],
        state: Option<&[u8]>,
    ) -> Vec<u8> {
        let authenticator = self.authenticator();
        let mut request = RequestBuilder::new(
            Code::ACCESS_REQUEST,
            identifier,
            authenticator,
            &self.secret,
        );
        request
            .attribute(AttributeType::USER_NAME, user.as_bytes())
            .unwrap();
        for piece in packet.chunks(MAX_VALUE_OCTETS) {
            request
                .attribute(AttributeType::EAP_MESSAGE, piece)
                .unwrap();
        }
        if let Some(state) = state {
            request.attribute(AttributeType::STATE, state).unwrap();
        }
        request.finish()
    }

    fn authenticator(&mut self) -> Authenticator {
        self.next = self.next.wrapping_add(1);
        self.next.to_be_bytes()
    }

    fn request(
        &mut self,
        identifier: u8,
        user: &str,
        password: &str,
        state: Option<&[u8]>,
    ) -> Login {
        let authenticator = self.authenticator();
        let mut request = RequestBuilder::new(
            Code::ACCESS_REQUEST,
            identifier,
            authenticator,
            &self.secret,
        );
        request
            .attribute(AttributeType::USER_NAME, user.as_bytes())
            .and_then(|request| request.user_password(password.as_bytes()))
            .and_then(|request| request.attribute(AttributeType::NAS_IP_ADDRESS, &[192, 0, 2, 1]))
            .and_then(|request| {
                request.attribute(AttributeType::CALLING_STATION_ID, b"198.51.100.7")
            })
            .unwrap();
        if let Some(state) = state {
            request.attribute(AttributeType::STATE, state).unwrap();
        }
        Login {
            datagram: request.finish(),
            authenticator,
        }
    }

    /// Checks an answer whole: identifier, Response Authenticator, Message-Authenticator.
    pub(crate) fn judge(&self, login: &Login, answer: &[u8]) -> Answer {
        match self.genuine(login, answer) {
            None => Answer::Wrong,
            Some(packet) if packet.code() == Code::ACCESS_ACCEPT => Answer::Accept,
            Some(_) => Answer::Other,
        }
    }

    /// The State of a genuine challenge; none of any other answer.
    pub(crate) fn challenge<'a>(&self, login: &Login, answer: &'a [u8]) -> Option<&'a [u8]> {
        self.genuine(login, answer)
            .filter(|packet| packet.code() == Code::ACCESS_CHALLENGE)?
            .first(AttributeType::STATE)
    }

    fn genuine<'a>(&self, login: &Login, answer: &'a [u8]) -> Option<Packet<'a>> {
        Packet::parse(answer).ok().filter(|packet| {
            login.datagram.get(1) == Some(&packet.identifier())
                && verify_response(packet, &login.authenticator, &self.secret, self.policy).is_ok()
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use dataplane::radius::{ReplyBuilder, ReplyTo, password, verify_request};

    use super::*;

    const SECRET: &str = "bench-secret";

    fn answer(login: &Login, code: Code, secret: &str) -> Vec<u8> {
        let packet = Packet::parse(&login.datagram).unwrap();
        let to = ReplyTo::new(&packet).unwrap();
        ReplyBuilder::new(code, &to, &SharedSecret::new(secret.as_bytes())).finish()
    }

    #[test]
    fn a_login_says_what_a_server_must_know() {
        let mut client = Client::new(SECRET, MessageAuthenticator::Require);
        let login = client.login(9, "u1", "pw-u1");
        let packet = Packet::parse(&login.datagram).unwrap();
        let secret = SharedSecret::new(SECRET.as_bytes());
        verify_request(&packet, &secret, MessageAuthenticator::Require).unwrap();
        assert_eq!(packet.identifier(), 9);
        assert_eq!(packet.first(AttributeType::USER_NAME), Some(&b"u1"[..]));
        let hidden = packet.first(AttributeType::USER_PASSWORD).unwrap();
        let clear = password::unhide(hidden, packet.authenticator(), &secret).unwrap();
        assert_eq!(clear.expose(), b"pw-u1");
    }

    #[test]
    fn no_login_repeats_an_authenticator() {
        let mut client = Client::new(SECRET, MessageAuthenticator::Require);
        let first = client.login(1, "u1", "pw-u1");
        assert_ne!(first.datagram, client.login(1, "u1", "pw-u1").datagram);
    }

    #[test]
    fn an_answer_counts_when_it_is_genuine() {
        let mut client = Client::new(SECRET, MessageAuthenticator::Require);
        let login = client.login(1, "u1", "pw-u1");
        let other = client.login(1, "u1", "pw-u1");
        let accept = answer(&login, Code::ACCESS_ACCEPT, SECRET);
        let mut cut = accept.clone();
        cut.pop();
        for (name, octets, want) in [
            ("accept", accept, Answer::Accept),
            (
                "reject",
                answer(&login, Code::ACCESS_REJECT, SECRET),
                Answer::Other,
            ),
            (
                "another's secret",
                answer(&login, Code::ACCESS_ACCEPT, "guess"),
                Answer::Wrong,
            ),
            (
                "another's answer",
                answer(&other, Code::ACCESS_ACCEPT, SECRET),
                Answer::Wrong,
            ),
            ("cut short", cut, Answer::Wrong),
            ("nothing", Vec::new(), Answer::Wrong),
        ] {
            assert_eq!(client.judge(&login, &octets), want, "{name}");
        }
    }

    #[test]
    fn a_challenge_is_answered_with_its_state() {
        let mut client = Client::new(SECRET, MessageAuthenticator::Require);
        let login = client.login(1, "u1", "pw-u1");
        let to = ReplyTo::new(&Packet::parse(&login.datagram).unwrap()).unwrap();
        for (code, secret, want) in [
            (Code::ACCESS_CHALLENGE, SECRET, Some(&b"a State"[..])),
            (Code::ACCESS_ACCEPT, SECRET, None),
            (Code::ACCESS_CHALLENGE, "guess", None),
        ] {
            let secret = SharedSecret::new(secret.as_bytes());
            let mut answer = ReplyBuilder::new(code, &to, &secret);
            answer.attribute(AttributeType::STATE, b"a State").unwrap();
            assert_eq!(client.challenge(&login, &answer.finish()), want, "{code}");
        }
        let second = client.answer(2, "u1", "123456", b"a State");
        let packet = Packet::parse(&second.datagram).unwrap();
        assert_eq!(packet.first(AttributeType::STATE), Some(&b"a State"[..]));
    }
}
