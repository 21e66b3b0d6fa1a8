use proptest::prelude::*;

use super::*;

/// Conversations that are numbers: their own tokens.
type Table = Sessions<u32>;

fn token(number: u32) -> Token {
    let mut token = [0; TOKEN_OCTETS];
    token[..4].copy_from_slice(&number.to_be_bytes());
    token
}

fn client(number: u32) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(number).unwrap()])
}

#[expect(
    clippy::disallowed_methods,
    reason = "the beginning of a test's own time"
)]
fn start() -> Instant {
    Instant::now()
}

fn standing(expires: Instant, handshake: bool, octets: usize) -> Standing {
    Standing {
        expires,
        handshake,
        answered: !handshake,
        octets,
    }
}

fn begin(table: &mut Table, number: u32, of: u32, standing: Standing) -> Result<(), Full> {
    table.begin(token(number), Arc::new(number), client(of), standing)
}

#[test]
fn handshakes_leave_room_for_those_that_have_their_tunnels() {
    let now = start();
    let mut table = Table::default();
    let bound = u32::try_from(MAX_HANDSHAKES).unwrap();
    for number in 0..bound {
        begin(&mut table, number, number % 2, standing(now, true, 0)).unwrap();
    }
    assert_eq!(
        begin(&mut table, bound, 9, standing(now, true, 0)),
        Err(Full::Handshakes)
    );
    // One that gets its tunnel makes room for another.
    table.note(&token(0), standing(now, false, 0));
    assert_eq!(begin(&mut table, bound, 9, standing(now, true, 0)), Ok(()));
    assert_eq!(
        begin(&mut table, bound + 1, 9, standing(now, true, 0)),
        Err(Full::Handshakes)
    );
    // So does one that ends.
    table.end(&token(1));
    assert_eq!(
        begin(&mut table, bound + 1, 9, standing(now, true, 0)),
        Ok(())
    );
}

#[test]
fn one_client_leaves_the_handshakes_of_others_room() {
    let now = start();
    let mut table = Table::default();
    let bound = u32::try_from(MAX_HANDSHAKES_PER_CLIENT).unwrap();
    for number in 0..bound {
        begin(&mut table, number, 1, standing(now, true, 0)).unwrap();
    }
    let refused = begin(&mut table, bound, 1, standing(now, true, 0));
    assert_eq!(refused, Err(Full::ClientHandshakes));
    assert_eq!(begin(&mut table, bound, 2, standing(now, true, 0)), Ok(()));
    // One that gets its tunnel makes room, and so does one that ends.
    table.note(&token(0), standing(now, false, 0));
    table.end(&token(1));
    for number in [bound + 1, bound + 2] {
        assert_eq!(begin(&mut table, number, 1, standing(now, true, 0)), Ok(()));
    }
    let refused = begin(&mut table, bound + 3, 1, standing(now, true, 0));
    assert_eq!(refused, Err(Full::ClientHandshakes));
}

#[test]
fn there_is_a_bound_for_each_client_and_one_for_all() {
    let now = start();
    let mut table = Table::default();
    let each = u32::try_from(MAX_PER_CLIENT).unwrap();
    for number in 0..each {
        begin(&mut table, number, 1, standing(now, false, 0)).unwrap();
    }
    assert_eq!(
        begin(&mut table, each, 1, standing(now, false, 0)),
        Err(Full::Client)
    );
    table.end(&token(7));
    assert_eq!(begin(&mut table, 7, 1, standing(now, false, 0)), Ok(()));
    let all = u32::try_from(MAX_SESSIONS).unwrap();
    for number in each..all {
        begin(&mut table, number, 2 + number % 2, standing(now, false, 0)).unwrap();
    }
    assert_eq!(table.len(), MAX_SESSIONS);
    assert_eq!(
        begin(&mut table, all, 9, standing(now, true, 0)),
        Err(Full::Sessions)
    );
}

#[test]
fn octets_are_bounded_and_who_keeps_what_is_usual_goes_on() {
    let now = start();
    let mut table = Table::default();
    let half = MAX_OCTETS / 2;
    begin(&mut table, 1, 1, standing(now, false, half)).unwrap();
    begin(&mut table, 2, 1, standing(now, false, half - 1)).unwrap();
    begin(&mut table, 3, 1, standing(now, false, 1)).unwrap();
    assert_eq!(
        begin(&mut table, 4, 1, standing(now, false, 0)),
        Err(Full::Octets)
    );
    for (name, octets, want) in [
        ("to the bound", 1, Noted::Fits),
        ("over it, as usual", USUAL_OCTETS, Noted::Fits),
        ("over it", USUAL_OCTETS + 1, Noted::Full),
    ] {
        let noted = table.note(&token(3), standing(now, false, octets));
        assert_eq!(noted, want, "{name}");
    }
    // It counts until it ends.
    assert_eq!(
        begin(&mut table, 4, 1, standing(now, false, 0)),
        Err(Full::Octets)
    );
    table.end(&token(3));
    assert_eq!(begin(&mut table, 4, 1, standing(now, false, 0)), Ok(()));
}

#[test]
fn each_bound_has_its_name_in_metrics_and_in_events() {
    let table = [
        (
            Full::Sessions,
            "sessions",
            "20000 EAP conversations are under way",
        ),
        (
            Full::Handshakes,
            "handshakes",
            "10000 EAP handshakes are under way",
        ),
        (
            Full::Client,
            "client",
            "10000 EAP conversations of this client are under way",
        ),
        (
            Full::ClientHandshakes,
            "client_handshakes",
            "5000 EAP handshakes of this client are under way",
        ),
        (
            Full::Octets,
            "octets",
            "EAP conversations under way keep 536870912 octets",
        ),
    ];
    for (full, label, text) in table {
        assert_eq!((full.label(), full.to_string().as_str()), (label, text));
    }
}

#[test]
fn who_expires_first_is_let_go_first_and_nobody_early() {
    let now = start();
    let at = |seconds| now + Duration::from_secs(seconds);
    let mut table = Table::default();
    for (number, seconds) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
        begin(&mut table, number, 1, standing(at(seconds), true, 5)).unwrap();
    }
    assert_eq!(table.expire(at(9)), None);
    // What goes on has longer.
    table.note(&token(2), standing(at(40), false, 5));
    assert_eq!(table.expire(at(20)).as_deref(), Some(&4));
    assert_eq!(table.expire(at(20)).as_deref(), Some(&3));
    assert_eq!(table.expire(at(20)), None);
    assert_eq!(table.expire(at(50)).as_deref(), Some(&1));
    assert_eq!(table.expire(at(50)).as_deref(), Some(&2));
    assert_eq!(table.expire(at(50)), None);
    assert_eq!(table.len(), 0);
    assert!(table.clients.is_empty() && table.expiries.is_empty());
}

#[test]
fn what_is_not_there_is_neither_found_nor_noted_nor_ended_twice() {
    let now = start();
    let mut table = Table::default();
    begin(&mut table, 1, 1, standing(now, true, 5)).unwrap();
    assert_eq!(table.find(&token(1)).as_deref(), Some(&1));
    assert_eq!(table.find(&token(2)), None);
    assert_eq!(
        table.note(&token(2), standing(now, false, MAX_OCTETS + 1)),
        Noted::Gone
    );
    assert_eq!(table.end(&token(1)).as_deref(), Some(&1));
    assert_eq!(table.end(&token(1)), None);
    assert_eq!(
        table.note(&token(1), standing(now, true, MAX_OCTETS + 1)),
        Noted::Gone
    );
    assert_eq!((table.len(), table.octets, table.handshakes), (0, 0, 0));
    assert_eq!(table.expire(now), None);
}

/// What happens to the table.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Begin(u32, u32, u64, bool, usize),
    Note(u32, u64, bool, usize),
    End(u32),
    Expire(u64),
}

fn happenings() -> impl Strategy<Value = Happening> {
    let number = 0..12_u32;
    let octets = prop_oneof![0..100_usize, Just(MAX_OCTETS / 3), Just(MAX_OCTETS)];
    prop_oneof![
        3 => (number.clone(), 0..3_u32, 0..50_u64, any::<bool>(), octets.clone())
            .prop_map(|(n, c, s, h, o)| Happening::Begin(n, c, s, h, o)),
        3 => (number.clone(), 0..50_u64, any::<bool>(), octets)
            .prop_map(|(n, s, h, o)| Happening::Note(n, s, h, o)),
        2 => number.prop_map(Happening::End),
        1 => (0..50_u64).prop_map(Happening::Expire),
    ]
}

proptest! {
    #[test]
    fn it_counts_as_a_list_would(script in prop::collection::vec(happenings(), 1..80)) {
        let now = start();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut table = Table::default();
        let mut list: Vec<(u32, u32, Standing)> = Vec::new();
        for happening in script {
            let kept = |list: &[(u32, u32, Standing)]| list.iter().map(|one| one.2.octets).sum::<usize>();
            match happening {
                // Tokens are random: none comes twice.
                Happening::Begin(number, ..) if list.iter().any(|one| one.0 == number) => {}
                Happening::Begin(number, of, seconds, handshake, octets) => {
                    let standing = standing(at(seconds), handshake, octets);
                    let full = kept(&list) >= MAX_OCTETS;
                    let want = if full { Err(Full::Octets) } else { Ok(()) };
                    prop_assert_eq!(begin(&mut table, number, of, standing), want);
                    if !full {
                        list.push((number, of, standing));
                    }
                }
                Happening::Note(number, seconds, handshake, octets) => {
                    let standing = standing(at(seconds), handshake, octets);
                    let room = table.note(&token(number), standing);
                    let there = list.iter_mut().find(|one| one.0 == number);
                    let known = there.is_some();
                    if let Some(there) = there {
                        there.2 = standing;
                    }
                    let fits = kept(&list) <= MAX_OCTETS || octets <= USUAL_OCTETS;
                    let want = match (known, fits) {
                        (false, _) => Noted::Gone,
                        (true, true) => Noted::Fits,
                        (true, false) => Noted::Full,
                    };
                    prop_assert_eq!(room, want);
                }
                Happening::End(number) => {
                    let ended = table.end(&token(number));
                    let known = list.iter().any(|one| one.0 == number);
                    prop_assert_eq!(ended.as_deref().copied(), known.then_some(number));
                    list.retain(|one| one.0 != number);
                }
                Happening::Expire(seconds) => {
                    let first = list
                        .iter()
                        .map(|one| (one.2.expires, token(one.0), one.0))
                        .min()
                        .filter(|one| one.0 <= at(seconds))
                        .map(|one| one.2);
                    prop_assert_eq!(table.expire(at(seconds)).as_deref().copied(), first);
                    list.retain(|one| Some(one.0) != first);
                }
            }
            prop_assert_eq!(table.len(), list.len());
            prop_assert_eq!(table.expiries.len(), list.len());
            prop_assert_eq!(table.octets, kept(&list));
            prop_assert_eq!(table.handshakes, list.iter().filter(|one| one.2.handshake).count());
            let of_clients = || table.clients.values();
            prop_assert_eq!(of_clients().map(|one| one.sessions).sum::<usize>(), list.len());
            prop_assert!(of_clients().all(|one| one.sessions > 0));
            let begun = of_clients().map(|one| one.handshakes).sum::<usize>();
            prop_assert_eq!(begun, table.handshakes);
            for (number, ..) in &list {
                prop_assert_eq!(table.find(&token(*number)), Some(Arc::new(*number)));
            }
        }
    }
}
