//! Users of a directory: a real slapd and a real Active Directory (Samba) are listed by the gateway, and
//! the built-in second factor's users follow.
#![cfg(test)]

use std::fmt::Write;

use e2e::{
    config::{ad_client, client, samba_client},
    countersign::{self, Countersign, Start},
    http,
    nas::{code::ACCESS_ACCEPT, code::ACCESS_REJECT, login},
    peers::{Pki, Samba, Slapd},
    ports,
};
use serde_json::{Value, json};

const MANY: &str = "cn=Many,ou=groups,dc=example,dc=com";
/// More than a page of either directory, and than slapd gives at once.
const MEMBERS: usize = 1_200;

/// A gateway whose sections log in by these client sections and the built-in second factor.
struct Site {
    gateway: Countersign,
    ports: Vec<u16>,
}

impl Site {
    fn start(clients: &[(&str, String)]) -> Self {
        let mut config = "[main]\ninterface=127.0.0.1\n".to_owned();
        let mut ports = Vec::new();
        for (number, (name, section)) in clients.iter().enumerate() {
            let port = ports::free_udp();
            let number = number + 1;
            write!(
                config,
                "{section}[radius_server_auto{number}]\nport={port}\napi_host=builtin\nfailmode=secure\n\
                 client={name}\n{}",
                client(1, "127.0.0.0/8")
            )
            .unwrap();
            ports.push(port);
        }
        let listen = ports::loopback(ports::free_tcp()).to_string();
        let start = Start::with(&config).argument("--second-factor-listen");
        Self {
            gateway: start.argument(&listen).ready(),
            ports,
        }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> http::Answer {
        let path = format!("/api/v1/second-factor/{path}");
        let socket = self.gateway.control_socket();
        http::request_local(&socket, method, &path, &body.to_string()).unwrap()
    }

    /// What comes of a sync.
    fn sync(&self, body: &Value) -> Value {
        let answer = self.call("POST", "sync", body);
        assert_eq!(answer.status, 200, "{answer:?}\n{}", self.gateway.output());
        answer.json()
    }

    fn user(&self, name: &str) -> Value {
        let path = format!("users/{}", name.replace('@', "%40"));
        self.call("GET", &path, &Value::Null).json()
    }

    /// A code that is good once, of a user.
    fn code(&self, user: &str) -> String {
        let data = self.gateway.data_dir();
        let folder = data.to_str().unwrap();
        let arguments = [
            "factor",
            "bypass-codes",
            user,
            "--json",
            "--data-dir",
            folder,
        ];
        let made = countersign::command(&arguments, &data);
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        made["codes"][0].as_str().unwrap().to_owned()
    }
}

/// A list of a group.
fn vpn_of(group: &str) -> Value {
    json!({"ad_client": "ad_client", "group_dn": group})
}

fn count(changes: &Value, what: &str) -> usize {
    changes[what].as_array().unwrap().len()
}

/// Has slapd take a change.
fn change(slapd: &Slapd, program: &str, ldif: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ldif).unwrap();
    let url = slapd.url();
    let path = file.path().to_str().unwrap();
    let admin = "cn=admin,dc=example,dc=com";
    let (code, said) = slapd.tool(
        program,
        &["-x", "-H", &url, "-D", admin, "-w", "admin-pw", "-f", path],
    );
    assert_eq!(code, 0, "{said}");
}

#[test]
fn the_members_of_a_group_are_users_as_long_as_they_are_members() {
    let mut slapd = Slapd::start(Pki::shared());
    let mut people = String::new();
    let mut group = format!("dn: {MANY}\nobjectClass: groupOfNames\ncn: Many\n");
    for number in 0..MEMBERS {
        let dn = Slapd::dn(&format!("m{number}"));
        write!(
            people,
            "dn: {dn}\nobjectClass: inetOrgPerson\nuid: m{number}\ncn: Member {number}\nsn: M\n\
             mail: m{number}@example.com\nmobile: +1 555 0100\n\n"
        )
        .unwrap();
        writeln!(group, "member: {dn}").unwrap();
    }
    // A blank is no name.
    let nameless = format!("cn=Nameless,{}", Slapd::BASE);
    write!(
        people,
        "dn: {nameless}\nobjectClass: inetOrgPerson\nuid:: IA==\ncn: Nameless\nsn: N\n\n"
    )
    .unwrap();
    writeln!(group, "member: {nameless}").unwrap();
    change(&slapd, "ldapadd", &people);
    change(&slapd, "ldapadd", &group);
    let section = |name: &str, more: &str| {
        let port = slapd.port;
        format!(
            "{}host=127.0.0.1\nport={port}\ntransport=clear\n{more}",
            ad_client(name)
        )
    };
    let nested = format!(
        "nested_groups=true\nsecurity_group_dn=cn=Outer,ou=groups,{}\n",
        Slapd::BASE
    );
    let site = Site::start(&[
        ("ad_client", section("ad_client", "")),
        ("ad_client2", section("ad_client2", &nested)),
    ]);

    let many = json!({"ad_client": "ad_client", "group_dn": MANY, "group": "many"});
    let answer = site.call("POST", "sync?dry_run=true", &many);
    let would = answer.json();
    assert_eq!(
        (count(&would, "created"), &would["done"]),
        (MEMBERS, &json!(false)),
        "{answer:?}"
    );
    assert_eq!(
        site.call("GET", "users/m7", &Value::Null).status,
        404,
        "it was tried only"
    );
    let done = site.sync(&many);
    assert_eq!(
        (count(&done, "created"), &done["done"]),
        (MEMBERS, &json!(true))
    );
    assert_eq!(done["nameless"], 1, "{done}");
    let one = site.user("M7@example.com");
    assert_eq!(
        (
            &one["name"],
            &one["full_name"],
            &one["groups"],
            &one["devices"]
        ),
        (
            &json!("m7"),
            &json!("Member 7"),
            &json!(["many"]),
            &json!([])
        )
    );
    assert_eq!(site.sync(&many)["unchanged"], MEMBERS);

    let leave = format!(
        "dn: {MANY}\nchangetype: modify\ndelete: member\nmember: {}\n",
        Slapd::dn("m7")
    );
    change(&slapd, "ldapmodify", &leave);
    let data = site.gateway.data_dir();
    let folder = data.to_str().unwrap();
    let by_hand = [
        "factor",
        "sync",
        "--group-dn",
        MANY,
        "--group",
        "many",
        "--data-dir",
        folder,
    ];
    let said = countersign::command(&by_hand, &data);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{said:?}");
    for line in [
        "- m7: disable\n",
        "1 are there no more: disable\n",
        "\n1 left out",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(site.user("m7")["status"], "disabled");
    change(&slapd, "ldapmodify", &leave.replace("delete:", "add:"));
    assert_eq!(
        site.sync(&many)["changed"][0]["fields"],
        json!(["status", "groups"])
    );
    assert_eq!(site.user("m7")["status"], "active");

    // Somebody is called something else (slapd renames the member), and the name is given to another one:
    // what the first has stays theirs.
    site.code("m7");
    let old = Slapd::dn("m7");
    let renamed = format!(
        "dn: {old}\nchangetype: modrdn\nnewrdn: uid=m7.new\ndeleteoldrdn: 1\n\n\
         dn: {old}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: m7\ncn: Hired\nsn: H\n\
         mail: hired@example.com\n\n\
         dn: {MANY}\nchangetype: modify\nadd: member\nmember: {old}\n"
    );
    change(&slapd, "ldapmodify", &renamed);
    let spelled = json!({"ad_client": "ad_client", "group_dn": MANY.replace(',', ", ").to_uppercase(), "group": "many"});
    let done = site.sync(&spelled);
    assert_eq!(
        (&done["created"], &done["refused"]),
        (&json!(["m7"]), &json!([])),
        "{done}"
    );
    assert_eq!(
        done["changed"],
        json!([{"name": "m7", "now": "m7.new", "fields": ["name"]}]),
        "{done}"
    );
    let (one, other) = (site.user("m7.new"), site.user("m7"));
    assert_eq!(
        (&one["full_name"], &one["bypass_codes"]),
        (&json!("Member 7"), &json!(10))
    );
    assert_eq!(
        (&other["full_name"], &other["bypass_codes"]),
        (&json!("Hired"), &json!(0))
    );
    // The same people by another section.
    let again = json!({"ad_client": "ad_client2", "group_dn": MANY, "group": "again"});
    let done = site.sync(&again);
    assert_eq!(
        (
            count(&done, "changed"),
            &done["refused"],
            &done["changed"][0]["fields"]
        ),
        (MEMBERS + 1, &json!([]), &json!(["groups"]))
    );
    assert_eq!(site.user("m8")["groups"], json!(["again", "many"]));

    // A user by another name: the same second factor.
    let vpn = json!({"ad_client": "ad_client", "group_dn": Slapd::GROUP});
    assert_eq!(site.sync(&vpn)["done"], true);
    let password = format!("pw-alice,{}", site.code("alice"));
    let answer = login(site.ports[0], "alice@example.com", &password);
    assert_eq!(
        answer.code,
        ACCESS_ACCEPT,
        "{}\n{}",
        answer.message(),
        site.gateway.output()
    );
    let answer = login(site.ports[0], "alice@example.com", &password);
    assert_eq!(answer.code, ACCESS_REJECT, "a code is good once");

    // Members of members, of the section's own group.
    let outer = site.sync(&json!({"ad_client": "ad_client2"}));
    assert_eq!(outer["created"], json!(["u03"]), "{outer}");

    for (body, status, want) in [
        (
            json!({"ad_client": "ad_client9"}),
            422,
            "is one of ad_client, ad_client2",
        ),
        (
            json!({"ad_client": "ad_client", "group_dn": "many"}),
            422,
            "is the whole name of a group",
        ),
        (
            json!({"ad_client": "ad_client", "group_dn": "cn=none,dc=example,dc=com"}),
            409,
            "does not exist",
        ),
    ] {
        let answer = site.call("POST", "sync", &body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.json().to_string().contains(want), "{answer:?}");
    }
    // By the command line, as a timer does.
    let data = site.gateway.data_dir();
    let folder = data.to_str().unwrap();
    let arguments = [
        "factor",
        "sync",
        "--group-dn",
        Slapd::GROUP,
        "--data-dir",
        folder,
    ];
    let said = countersign::command(&arguments, &data);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{said:?}");
    assert!(text.starts_with("0 new, 0 changed, "), "{text}");
    let last = ["factor", "sync", "--last", "--data-dir", folder];
    let said = countersign::command(&last, &data);
    let text = String::from_utf8_lossy(&said.stdout);
    let vpn = format!("ad_client/{}: done at ", Slapd::GROUP.to_lowercase());
    assert!(said.status.success() && text.contains(&vpn), "{said:?}");
    // The group that does not exist was never taken, and is no list; one that cannot be asked for is told.
    assert!(!text.contains("cn=none"), "{text}");
    slapd.kill();
    let answer = site.call("POST", "sync", &vpn_of(Slapd::GROUP));
    assert_eq!(answer.status, 409, "{answer:?}");
    let status = site.call("GET", "status", &Value::Null).json();
    let lists = status["syncs"].as_array().unwrap();
    let of_vpn = lists.iter().find(|one| one["outcome"] == "failed").unwrap();
    assert!(
        of_vpn["why"].as_str().unwrap().contains("127.0.0.1"),
        "{of_vpn}"
    );
    // Needed no more: nobody is asked, and whom no other list has is missing.
    let mut forget = vpn_of(Slapd::GROUP);
    forget["forget"] = json!(true);
    let done = site.sync(&forget);
    assert_eq!(done["done"], true, "{done}");
    assert_eq!(site.user("alice")["status"], "disabled");
    let wrong = countersign::command(
        &["factor", "sync", "ad_client9", "--data-dir", folder],
        &data,
    );
    let text = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        !wrong.status.success() && text.contains("is one of ad_client, ad_client2"),
        "{text}"
    );
    let socket = site.gateway.control_socket();
    let audit = http::request_local(&socket, "GET", "/api/v1/audit", "").unwrap();
    assert!(
        audit
            .json()
            .to_string()
            .contains("second-factor.users.sync")
    );
}

#[test]
fn active_directory_says_who_is_in_a_group_and_who_may_not_log_in() {
    let samba = Samba::shared();
    let nested = samba_client("ad_client2", samba) + "nested_groups=true\n";
    let site = Site::start(&[
        ("ad_client", samba_client("ad_client", samba)),
        ("ad_client2", nested),
    ]);
    let vpn = json!({"ad_client": "ad_client", "group_dn": Samba::GROUP});
    let done = site.sync(&vpn);
    assert_eq!(done["done"], true, "{done}");
    assert_eq!(site.user("alice")["full_name"], "Alice Example");
    assert_eq!(site.user("disabled")["status"], "disabled");
    assert_eq!(site.user("carol@ad.example.test")["name"], "carol");
    // By its principal name, which has another name before the @.
    let password = format!("pw-upn1,{}", site.code("upn1"));
    let answer = login(site.ports[0], "first.last@corp.example", &password);
    assert_eq!(
        answer.code,
        ACCESS_ACCEPT,
        "{}\n{}",
        answer.message(),
        site.gateway.output()
    );
    for (name, group) in [("primary", "PrimaryVPN"), ("nested", "Outer")] {
        let group = format!("CN={group},OU=groups,{}", Samba::BASE);
        let done = site.sync(&json!({"ad_client": "ad_client2", "group_dn": group}));
        assert_eq!(done["created"], json!([name]), "{done}");
    }
    // Neither computers nor groups.
    let answer = site.call(
        "POST",
        "sync?dry_run=true",
        &json!({"ad_client": "ad_client2"}),
    );
    let everybody = answer.json();
    let names = everybody["created"].to_string();
    assert!(
        names.contains("dave") && !names.contains('$') && !names.contains("VPN"),
        "{names}"
    );
}
