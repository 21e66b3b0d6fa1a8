//! What each way allocates, counted. The allocator of this crate's unit tests counts for each thread by
//! itself, so that tests beside this one change nothing.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::{Rig, Way};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note() {
    // A thread that ends may have let go of its count before of its memory.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: each call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as for this function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as for this function.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as for this function.
        unsafe { System.dealloc(old, layout) }
    }
}

fn so_far() -> u64 {
    ALLOCATIONS.get()
}

#[test]
fn the_allocator_counts() {
    let before = so_far();
    let mut kept = vec![1_u8];
    let made = so_far();
    kept.reserve(1_000);
    let grown = so_far();
    assert_eq!((made - before, grown - made), (1, 1));
    assert_eq!(so_far(), grown);
}

/// How often each way is gone before it is counted: tables and the thread's buffers are there then.
const WARM: usize = 200;
const COUNTED: usize = 500;

/// What each of them allocates, from the socket to the answer.
async fn counted(
    rig: &mut Rig,
    way: Way,
    mut prepare: impl FnMut(&mut Rig) -> Vec<u8>,
) -> Vec<u64> {
    let mut counts = Vec::with_capacity(COUNTED);
    for number in 0..WARM + COUNTED {
        let datagram = prepare(rig);
        let before = so_far();
        match way {
            // What comes from the device comes from a client: this is handed over as if it had been read.
            Way::Unknown => rig.go(way, &datagram),
            _ => rig.through_socket(&datagram).await,
        }
        let allocated = so_far() - before;
        rig.settle(way);
        if number >= WARM {
            counts.push(allocated);
        }
    }
    counts
}

#[tokio::test]
async fn a_discard_and_a_duplicate_allocate_nothing_from_the_socket_to_the_answer() {
    for way in [Way::Unknown, Way::Forged, Way::Duplicate] {
        let mut rig = Rig::new();
        let datagram = rig.prepare(way);
        let counts = counted(&mut rig, way, |_| datagram.clone()).await;
        assert_eq!(counts, [0; COUNTED], "{way:?}");
    }
}

#[tokio::test]
async fn a_pap_login_allocates_little_from_the_socket_to_the_answer() {
    let mut rig = Rig::new();
    let counts = counted(&mut rig, Way::Login, |rig| rig.prepare(Way::Login)).await;
    let mut sorted = counts.clone();
    sorted.sort_unstable();
    assert_eq!(sorted[COUNTED / 2], LOGIN, "allocations of a login");
    // The queue of events takes a block for every 32 of them, and a table doubles now and then.
    let more = counts.iter().filter(|count| **count > LOGIN).count();
    assert!(
        more <= COUNTED / 16,
        "{more} logins allocate more: {counts:?}"
    );
}

/// Of one login, without what tables and queues grow by. A change that lowers it lowers this.
const LOGIN: u64 = 10;
