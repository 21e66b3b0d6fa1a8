//! A directory with users, groups and NTLM, that does as it is told: honest, or something else.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, BytesMut};
use ldap3_proto::proto::{
    LdapBindCred, LdapBindResponse, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult,
    LdapResultCode, LdapSearchRequest, LdapSearchResultEntry,
};
use ldap3_proto::{LdapCodec, LdapFilter};
use prometheus::Registry;
use proto::config::{Snapshot, raw};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::task::TaskTracker;

use super::super::ntlm::Layer;
use super::super::ntlm::seal::Seal;
use super::super::ntlm::tests::Directory as Ntlm;
use crate::primary::{Primary, Shared};

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// Each octet of a message is sealed alone.
    InPieces,
    /// Says of users that their password is right, whatever it is. Somebody in between can.
    Lies,
    /// What is sealed was changed on the way.
    Forges,
    /// Announces four gigabytes.
    Boasts,
    /// Says something in clear behind the answer to a bind.
    Injects,
    /// The time is left out of the challenge, so that nothing proves what else was changed in it.
    Timeless,
    /// Its entries do not say what NTLM calls them.
    Nameless,
    /// Is too busy to say which groups a user holds.
    Busy,
    /// Has no NTLM.
    Simple,
    /// Lets users wait for the answer to their bind.
    Holds,
}

/// Those who wait for the answer to their bind, and what lets them go.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) waiting: watch::Sender<usize>,
    pub(super) most: AtomicUsize,
    pub(super) open: Semaphore,
}

impl Gate {
    async fn pass(&self) {
        self.waiting.send_modify(|count| *count += 1);
        self.most
            .fetch_max(*self.waiting.borrow(), Ordering::SeqCst);
        self.open.acquire().await.unwrap().forget();
        self.waiting.send_modify(|count| *count -= 1);
    }
}

/// Who there is: the name it is found by, its entry, what NTLM calls it, and its password.
pub(super) const USERS: [(&str, &str, &str, &str); 3] = [
    ("", "", "svc", "pw-svc"),
    ("alice", "CN=Alice,DC=lab,DC=example", "alice.a", "pw-alice"),
    ("bob", "CN=Bob,DC=sub,DC=lab,DC=example", "bob", "pw-bob"),
];

pub(super) struct Lab {
    port: u16,
    /// Who was believed: domain, user, workstation.
    pub(super) logins: Arc<Mutex<Vec<[String; 3]>>>,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) gate: Arc<Gate>,
    _serving: JoinSet<()>,
}

impl Lab {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (logins, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (believed, counted) = (Arc::clone(&logins), Arc::clone(&connections));
        let gate = Arc::new(Gate {
            waiting: watch::Sender::new(0),
            most: AtomicUsize::new(0),
            open: Semaphore::new(0),
        });
        let held = Arc::clone(&gate);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut all = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let server = Server {
                    manner,
                    ntlm: Ntlm::new(Layer::Seal),
                    logins: Arc::clone(&believed),
                    gate: Arc::clone(&held),
                    seal: None,
                };
                all.spawn(server.serve(stream));
            }
        });
        Self {
            port,
            logins,
            connections,
            gate,
            _serving: serving,
        }
    }

    pub(super) fn primary(&self, over: &serde_json::Value) -> Arc<Primary> {
        let mut ad = json!({
            "hosts": [{"name": "127.0.0.1", "port": self.port}],
            "service_account_username": "svc",
            "service_account_password": "pw-svc",
            "search_dn": "DC=lab,DC=example",
            "username_attribute": "sAMAccountName",
            "at_attribute": "userPrincipalName",
            "auth_type": "ntlm2",
            "ntlm_workstation": "GATE",
            "timeout_seconds": 5,
        });
        for (key, value) in over.as_object().unwrap() {
            ad[key] = value.clone();
        }
        let raw: raw::Snapshot = serde_json::from_value(json!({
            "revision": 1,
            "authenticators": [{"id": "ad_client", "kind": {"ad": ad}}],
        }))
        .unwrap();
        let settings = Snapshot::try_from(raw).unwrap().authenticators.remove(0);
        let shared = Shared::new(TaskTracker::new(), &Registry::new()).unwrap();
        Primary::new(&settings, &shared).unwrap()
    }
}

/// One connection.
struct Server {
    manner: Manner,
    ntlm: Ntlm,
    logins: Arc<Mutex<Vec<[String; 3]>>>,
    gate: Arc<Gate>,
    seal: Option<Seal>,
}

impl Server {
    async fn serve(mut self, mut stream: TcpStream) {
        let mut codec = LdapCodec::default();
        let (mut received, mut clear) = (BytesMut::new(), BytesMut::new());
        loop {
            let Ok(1..) = stream.read_buf(&mut received).await else {
                return;
            };
            self.open(&mut received, &mut clear);
            while let Some(request) = codec.decode(&mut clear).unwrap() {
                let (answers, seal) = self.answer(request.op);
                if answers.is_empty() {
                    return;
                }
                let mut octets = BytesMut::new();
                for answer in answers {
                    let message = LdapMsg::new(request.msgid, answer);
                    codec.encode(message, &mut octets).unwrap();
                }
                let mut sent = self.wrap(&octets);
                if let Some(seal) = seal {
                    self.seal = Some(seal);
                    let is_user = self.logins.lock().unwrap().last().unwrap()[1] != "svc";
                    if self.manner == Manner::Holds && is_user {
                        self.gate.pass().await;
                    }
                    if self.manner == Manner::Injects {
                        sent.extend_from_slice(&octets);
                    }
                }
                if stream.write_all(&sent).await.is_err() {
                    return;
                }
            }
        }
    }

    fn open(&mut self, received: &mut BytesMut, clear: &mut BytesMut) {
        let Some(seal) = &mut self.seal else {
            clear.extend_from_slice(&received.split());
            return;
        };
        while received.len() >= 4 {
            let length = u32::from_be_bytes(received[..4].try_into().unwrap());
            let end = 4 + usize::try_from(length).unwrap();
            if received.len() < end {
                return;
            }
            let part = seal.unwrap(&received[4..end]);
            // Somebody in between has no key.
            match (part, self.manner) {
                (Ok(part), _) => clear.extend_from_slice(&part),
                (Err(_), Manner::Lies) => clear.extend_from_slice(&SEARCH),
                (Err(error), _) => panic!("{error}"),
            }
            received.advance(end);
        }
    }

    fn wrap(&mut self, octets: &[u8]) -> Vec<u8> {
        let Some(seal) = &mut self.seal else {
            return octets.to_vec();
        };
        let parts = match self.manner {
            Manner::InPieces => octets.chunks(1),
            Manner::Boasts => return u32::MAX.to_be_bytes().repeat(64),
            _ => octets.chunks(octets.len()),
        };
        let mut sent = Vec::new();
        for part in parts {
            let mut sealed = seal.wrap(part);
            if self.manner == Manner::Forges {
                *sealed.last_mut().unwrap() ^= 1;
            }
            sent.extend_from_slice(&u32::try_from(sealed.len()).unwrap().to_be_bytes());
            sent.extend_from_slice(&sealed);
        }
        sent
    }

    fn answer(&self, request: LdapOp) -> (Vec<LdapOp>, Option<Seal>) {
        match request {
            LdapOp::BindRequest(bind) => match bind.cred {
                LdapBindCred::SASL(sasl) => {
                    assert_eq!(sasl.mechanism, "GSS-SPNEGO");
                    self.bind(&sasl.credentials)
                }
                _ => panic!("a password in clear"),
            },
            LdapOp::SearchRequest(search) => (self.found(&search), None),
            LdapOp::UnbindRequest => (Vec::new(), None),
            other => panic!("{other:?}"),
        }
    }

    fn found(&self, search: &LdapSearchRequest) -> Vec<LdapOp> {
        if self.manner == Manner::Busy && search.attrs == ["tokenGroups"] {
            let busy = result(LdapResultCode::Busy, "later");
            return vec![LdapOp::SearchResultDone(busy)];
        }
        let mut answers = found(search);
        if self.manner == Manner::Nameless
            && let Some(LdapOp::SearchResultEntry(entry)) = answers.first_mut()
        {
            for attribute in &mut entry.attributes {
                if attribute.atype == "sAMAccountName" {
                    attribute.atype = "cn".to_owned();
                }
            }
        }
        answers
    }

    fn bind(&self, token: &[u8]) -> (Vec<LdapOp>, Option<Seal>) {
        if self.manner == Manner::Simple {
            let answer = bound(LdapResultCode::AuthMethodNotSupported, "", None);
            return (vec![answer], None);
        }
        if token[8] == 1 {
            let challenge = Some(match self.manner {
                Manner::Timeless => self.ntlm.without_time().challenge(),
                _ => self.ntlm.challenge(),
            });
            let answer = bound(LdapResultCode::SaslBindInProgress, "", challenge);
            return (vec![answer], None);
        }
        let believed = USERS.iter().find_map(|(_, _, account, password)| {
            let (key, said) = self.ntlm.believe(Layer::Seal, token, password)?;
            (said.user == *account).then_some((key, said))
        });
        if let Some((key, said)) = believed {
            let login = [said.domain, said.user, said.workstation];
            self.logins.lock().unwrap().push(login);
            let answer = bound(LdapResultCode::Success, "", None);
            return (vec![answer], Some(Seal::server(&key)));
        }
        if self.manner == Manner::Lies {
            let answer = bound(LdapResultCode::Success, "", None);
            let seal = Seal::server(&[0; 16].into());
            return (vec![answer], Some(seal));
        }
        let text = "8009030C: LdapErr: DSID-0C0904DC, comment: AcceptSecurityContext error, data 52e, v1db1";
        (
            vec![bound(LdapResultCode::InvalidCredentials, text, None)],
            None,
        )
    }
}

fn result(code: LdapResultCode, text: &str) -> LdapResult {
    LdapResult {
        code,
        matcheddn: String::new(),
        message: text.to_owned(),
        referral: Vec::new(),
    }
}

fn bound(code: LdapResultCode, text: &str, saslcreds: Option<Vec<u8>>) -> LdapOp {
    LdapOp::BindResponse(LdapBindResponse {
        res: result(code, text),
        saslcreds,
    })
}

/// A security identifier of the directory's domain.
fn sid(relative: u32) -> Vec<u8> {
    let mut sid = vec![1, 5, 0, 0, 0, 0, 0, 5];
    for part in [21, 1, 2, 3, relative] {
        sid.extend_from_slice(&part.to_le_bytes());
    }
    sid
}

/// What a group answers to a search at itself. Alice holds Held, her primary group is 513, and
/// Mail is a distribution group with a group of hers in it.
fn group(search: &LdapSearchRequest) -> Option<LdapOp> {
    let name = search.base.strip_suffix(",DC=lab,DC=example")?;
    if matches!(search.filter, LdapFilter::Present(_)) {
        let relative = match name {
            "CN=Held" => 1001,
            "CN=Primary" => 513,
            _ => 1002,
        };
        return Some(entry(&search.base, &[("objectSid", sid(relative))]));
    }
    matches(name, &search.filter).then(|| entry(&search.base, &[]))
}

fn matches(group: &str, filter: &LdapFilter) -> bool {
    match filter {
        LdapFilter::Or(filters) => filters.iter().any(|filter| matches(group, filter)),
        LdapFilter::Equality(attribute, value) => {
            group == "CN=Primary" && attribute == "objectSid" && value == "S-1-5-21-1-2-3-513"
        }
        LdapFilter::Extensible(rule) => {
            group == "CN=Mail"
                && rule.matching_rule.as_deref() == Some("1.2.840.113556.1.4.1941")
                && rule.match_value == USERS[1].1
        }
        _ => false,
    }
}

fn entry(dn: &str, attributes: &[(&str, Vec<u8>)]) -> LdapOp {
    let attributes = attributes
        .iter()
        .map(|(name, value)| LdapPartialAttribute {
            atype: (*name).to_owned(),
            vals: vec![value.clone()],
        })
        .collect();
    LdapOp::SearchResultEntry(LdapSearchResultEntry {
        dn: dn.to_owned(),
        attributes,
    })
}

fn found(search: &LdapSearchRequest) -> Vec<LdapOp> {
    let user = USERS.iter().skip(1).find(|(name, ..)| {
        ["sAMAccountName", "cn"].iter().any(|attribute| {
            search.filter == LdapFilter::Equality((*attribute).to_owned(), (*name).to_owned())
        })
    });
    let found = match user {
        Some((name, dn, account, _)) => Some(entry(
            dn,
            &[
                ("sAMAccountName", account.as_bytes().to_vec()),
                // It is found by this one.
                ("sAMAccountName", name.as_bytes().to_vec()),
                ("objectSid", sid(1100)),
                ("primaryGroupID", b"513".to_vec()),
            ],
        )),
        None if search.attrs == ["tokenGroups"] => {
            Some(entry(&search.base, &[("tokenGroups", sid(1001))]))
        }
        None => group(search),
    };
    let end = LdapOp::SearchResultDone(result(LdapResultCode::Success, ""));
    found.into_iter().chain([end]).collect()
}

/// A search of the root, as the fourth message.
const SEARCH: [u8; 44] = hex_literal::hex!(
    "302a 020104 6325 0400 0a0100 0a0100 020101 020100 010100 870b6f626a656374436c617373 3005 0403312e31"
);
